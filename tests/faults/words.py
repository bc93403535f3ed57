"""Other words for the same: variants of an app differ in their names."""

import random
import re
from collections.abc import Callable, Mapping


def renaming(words: Mapping[str, tuple[str, ...]], chance: random.Random) -> Callable[[str], str]:
    """Return a function that replaces words, drawn among others, in the names and texts of an app.

    A word is replaced where it stands by itself in a name or a sentence: ``upload`` in ``test_upload_is_kept``,
    ``uploads.py``, ``Upload`` and ``UPLOAD``, and not in ``uploaded`` or ``reupload``. It stays at times.
    """
    chosen = {word: chance.choice((word, *others)) for word, others in sorted(words.items())}
    forms = {
        form(word): form(other) for word, other in chosen.items() for form in (str.lower, str.capitalize, str.upper)
    }
    if not forms:
        return str
    longest_first = "|".join(sorted(forms, key=len, reverse=True))
    pattern = re.compile(rf"(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))({longest_first})(?=[sS]?(?![a-z]))")
    return lambda text: pattern.sub(lambda found: forms[found[0]], text)
