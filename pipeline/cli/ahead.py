"""``loading_ahead``: what comes after the last run is loaded while suites run, and nobody waits for it."""

import threading
from collections.abc import Callable

from pipeline.verify.events import RunFinished


def loading_ahead(tell: Callable[[object], None]) -> Callable[[object], None]:
    """Return what tells events on, and loads what signs and reports once a run was made; known runs load nothing."""
    begun = threading.Event()

    def told(event: object) -> None:
        if isinstance(event, RunFinished) and not event.is_cached and not begun.is_set():
            begun.set()
            threading.Thread(target=_load, name="ahead", daemon=True).start()
        tell(event)

    return told


def _load() -> None:
    from pipeline import attesting  # noqa: F401, PLC0415 - that they are loaded is all that is wanted
    from pipeline.cli import bill  # noqa: F401, PLC0415 - likewise
    from pipeline.release import key_source  # noqa: F401, PLC0415 - likewise
    from pipeline.report import html, saved, terminal  # noqa: F401, PLC0415 - likewise

    html.compiled_page()
