"""``loading_ahead``: what comes after the last run is loaded while suites run, and nobody waits for it."""

import contextlib
import threading
from collections.abc import Callable

from pipeline.verify.events import RunFinished


def loading_ahead(tell: Callable[[object], None], *, signs: bool) -> Callable[[object], None]:
    """Return what tells events on, and begins to load once a run was made; known runs load nothing.

    Args:
        tell: is told each event, whatever becomes of the loading.
        signs: whether what was found will be signed: that takes a large library.
    """
    begun = threading.Event()

    def told(event: object) -> None:
        if isinstance(event, RunFinished) and not event.is_cached and not begun.is_set():
            begun.set()
            with contextlib.suppress(RuntimeError):  # no thread is to be had
                # The end of the program waits for it: a library that is being loaded may not bear to be cut off.
                threading.Thread(target=_load, kwargs={"signs": signs}, name="ahead").start()
        tell(event)

    return told


def _load(*, signs: bool) -> None:
    with contextlib.suppress(Exception):  # whoever needs it loads it again, and meets the same
        from pipeline.report import html, saved, terminal  # noqa: F401, PLC0415 - that they are loaded is all

        html.compiled_page()
        if signs:
            from pipeline import attesting  # noqa: F401, PLC0415 - likewise
            from pipeline.cli import bill  # noqa: F401, PLC0415 - likewise
            from pipeline.release import key_source  # noqa: F401, PLC0415 - likewise
