"""A program with one check disabled: functions of a module get the code of a changed source, and keep their identity.

``python mutant.py '{"module": …, "old": …, "new": …}' ARGUMENTS`` is the command line of Seatrial with that change.
"""

import contextlib
import importlib
import inspect
import json
import sys
import types
from pathlib import Path

NO_MUTANT = 99
"""The exit code where the change cannot be made: the source is another one by now."""


@contextlib.contextmanager
def disabled(module, old, new):
    """Change the source of a module in one place, in this process only, and change it back at the end.

    Whoever imported a function of it before has the change too, since functions stay the same objects.
    """
    with contextlib.ExitStack() as stack:
        for function, code in _changes(module, old, new):
            stack.callback(setattr, function, "__code__", function.__code__)
            function.__code__ = code
        yield


def _changes(name, old, new):
    module = importlib.import_module(name)
    source = Path(module.__file__).read_text(encoding="utf-8")
    if source.count(old) != 1:
        raise ValueError(f"{name} holds {old!r} {source.count(old)} times, and a mutant changes it in one place")
    before, after = (_functions(text, module.__file__) for text in (source, source.replace(old, new)))
    changed = {place: code for place, code in after.items() if code != before.get(place)}
    if not changed:
        raise ValueError(f"{name}: {old!r} is in no function")
    return [(_function(module, place), code) for place, code in changed.items()]


def _functions(source, path):
    """Return the code of every function and method by its qualified name; those within functions belong to them."""
    found = {}
    waiting = [compile(source, path, "exec", dont_inherit=True)]
    while waiting:
        for each in waiting.pop().co_consts:
            if isinstance(each, types.CodeType):
                is_class = not each.co_flags & inspect.CO_NEWLOCALS
                if is_class:
                    waiting.append(each)
                else:
                    found[each.co_qualname] = each
    return found


def _function(module, place):
    value = module
    for part in place.split("."):
        value = inspect.getattr_static(value, part)
        value = getattr(value, "fget", None) or getattr(value, "wrapped", None) or value
        value = inspect.unwrap(getattr(value, "__func__", None) or getattr(value, "func", None) or value)
    return value


def main():
    mutant, *arguments = sys.argv[1:]
    from pipeline.cli.command_line import start  # noqa: PLC0415 - with PYTHONPATH, as the caller has it

    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(disabled(**json.loads(mutant)))
        except ValueError as error:
            sys.stderr.write(f"{error}\n")
            return NO_MUTANT
        return start(arguments, program="seatrial")


if __name__ == "__main__":
    sys.exit(main())
