"""``dataclass`` as the standard library has it, without source text: every cold start makes a hundred such classes.

The library writes each method as text and compiles it, six times a class: 0.35 ms each, and 7 ms for ``inspect``, which
it imports; 42 ms of a start that may have 115 in all, measured. Here the methods are functions over the slots. What
they do is the same, which a test holds for every way in which the classes of this package are made; ``dataclasses``
itself takes these classes for its own, at the price of that import.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass, field, fields, is_dataclass, replace
else:
    _MISSING = type("MISSING", (), {"__repr__": lambda _: "<no default>"})()

    class _Field:
        """One field: its name, what it is without a value, and whether its class takes one."""

        __slots__ = ("default", "factory", "init", "kw_only", "name", "type")

        def __init__(self, default=_MISSING, factory=None, init=True):  # noqa: FBT002 - as ``field`` calls it
            self.default = default
            self.factory = factory
            self.init = init
            self.kw_only = False
            self.name = ""
            self.type = None

    def field(*, default=_MISSING, default_factory=None, init=True):
        """Return what stands for a field that has more to it than a default."""
        return _Field(default, default_factory, init)

    def dataclass(cls=None, /, *, frozen=False, slots=False, kw_only=False, order=False, eq=True):
        """Return the class with the methods that its fields ask for; its slots are its fields."""
        if cls is None:
            return lambda each: dataclass(each, frozen=frozen, slots=slots, kw_only=kw_only, order=order, eq=eq)
        if not slots:
            raise TypeError(f"{cls.__name__}: slots=True is wanted")
        inherited = {}
        for base in cls.__mro__[-1:0:-1]:
            inherited |= base.__dict__.get("_record", {})
        own = {name: _field_of(cls, name, kind, kw_only) for name, kind in cls.__annotations__.items()}
        record = inherited | own
        made = _slotted(cls, [name for name in own if name not in inherited])
        made._record = record  # noqa: SLF001 - it is ours
        made.__match_args__ = tuple(each.name for each in record.values() if each.init and not each.kw_only)
        _add_methods(made, tuple(record.values()), frozen=frozen, order=order, eq=eq)
        return made

    def fields(of):
        """Return the fields of a class or an instance, in order."""
        record = getattr(of, "_record", None)
        if record is None:
            import dataclasses  # noqa: PLC0415 - only for classes of others

            return dataclasses.fields(of)
        return tuple(record.values())

    def is_dataclass(value):
        """Tell whether it has fields."""
        return hasattr(value, "_record") or hasattr(value, "__dataclass_fields__")

    def replace(value, /, **changes):
        """Return a copy with other values of some fields."""
        if not hasattr(value, "_record"):
            import dataclasses  # noqa: PLC0415 - only for classes of others

            return dataclasses.replace(value, **changes)
        for each in value._record.values():  # noqa: SLF001 - it is ours
            if each.init:
                if each.name not in changes:
                    changes[each.name] = getattr(value, each.name)
            elif each.name in changes:
                raise ValueError(
                    f"field {each.name} is declared with init=False, it cannot be specified with replace()"
                )
        return value.__class__(**changes)

    class _ForLibrary:
        """Gives ``dataclasses`` what it asks a class for; whoever asks pays for the import."""

        def __init__(self, make):
            self._make = make

        def __get__(self, _, owner):
            import dataclasses  # noqa: PLC0415 - as above

            return self._make(dataclasses, owner)

    def _field_of(cls, name, kind, kw_only):
        given = cls.__dict__.get(name, _MISSING)
        found = given if isinstance(given, _Field) else _Field(given)
        found.name, found.type, found.kw_only = name, kind, kw_only
        return found

    def _slotted(cls, names):
        """Return the class anew with slots: they cannot be added to one that is made."""
        content = dict(cls.__dict__)
        for name in cls.__annotations__:
            content.pop(name, None)
        content.pop("__dict__", None)
        content.pop("__weakref__", None)
        content["__slots__"] = tuple(names)
        made = type(cls)(cls.__name__, cls.__bases__, content)
        made.__qualname__ = cls.__qualname__
        return made

    def _add_methods(cls, record, *, frozen, order, eq):
        names = tuple(each.name for each in record)

        def values(self):
            return tuple([getattr(self, name) for name in names])

        methods = {"__init__": _initializer(cls, record), "__repr__": _shown(names)}
        if eq:
            methods["__eq__"] = _compared(values, lambda one, two: one == two)
            if cls.__dict__.get("__hash__") is None:  # otherwise it has one of its own
                cls.__hash__ = (lambda self: hash(values(self))) if frozen else None
        if order:
            methods["__lt__"] = _compared(values, lambda one, two: one < two)
            methods["__le__"] = _compared(values, lambda one, two: one <= two)
            methods["__gt__"] = _compared(values, lambda one, two: one > two)
            methods["__ge__"] = _compared(values, lambda one, two: one >= two)
        if frozen:
            methods |= {"__setattr__": _set_nothing, "__delattr__": _delete_nothing}
            methods |= {"__getstate__": lambda self: list(values(self)), "__setstate__": _restored(names)}
        for name, method in methods.items():
            if name not in cls.__dict__:
                method.__qualname__ = f"{cls.__qualname__}.{name}"
                setattr(cls, name, method)
        cls.__dataclass_fields__ = _ForLibrary(_library_fields)
        cls.__dataclass_params__ = _ForLibrary(
            lambda library, _: library._DataclassParams(**_parameters(library, frozen=frozen, order=order, eq=eq))  # noqa: SLF001
        )

    def _initializer(cls, record):
        # The slots' own setters: they are faster than ``setattr``, and a frozen class forbids that.
        plan = tuple(
            (each.name, getattr(cls, each.name).__set__, each.default, each.factory) for each in record if each.init
        )
        fixed = tuple((getattr(cls, each.name).__set__, each) for each in record if not each.init)
        positional = cls.__match_args__
        finish = getattr(cls, "__post_init__", None)

        def __init__(self, *words, **given):
            if words:
                _take_positional(self, positional, words, given)
            missing = []
            for name, put, default, factory in plan:
                value = given.pop(name, _MISSING)
                if value is _MISSING:
                    if factory is not None:
                        value = factory()
                    elif default is _MISSING:
                        missing.append(name)
                        continue
                    else:
                        value = default
                put(self, value)
            if missing or given:
                raise _misfit(self, missing, given)
            for put, each in fixed:
                put(self, each.default if each.factory is None else each.factory())
            if finish is not None:
                self.__post_init__()

        return __init__

    def _take_positional(value, positional, words, given):
        if len(words) > len(positional):
            counts = f"takes {len(positional) + 1} positional arguments but {len(words) + 1} were given"
            raise TypeError(f"{type(value).__qualname__}.__init__() {counts}")
        for name, word in zip(positional, words, strict=False):
            if name in given:
                raise TypeError(f"{type(value).__qualname__}.__init__() got multiple values for argument {name!r}")
            given[name] = word

    def _misfit(value, missing, given):
        if given:
            said = f"got an unexpected keyword argument {next(iter(given))!r}"
        else:
            said = f"missing {len(missing)} required arguments: {', '.join(map(repr, missing))}"
        return TypeError(f"{type(value).__qualname__}.__init__() {said}")

    def _shown(names):
        def __repr__(self):
            shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
            return f"{self.__class__.__qualname__}({shown})"

        return __repr__

    def _compared(values, compare):
        def method(self, other):
            if other.__class__ is not self.__class__:
                return NotImplemented
            return compare(values(self), values(other))

        return method

    def _restored(names):
        def __setstate__(self, state):
            for name, value in zip(names, state, strict=True):
                object.__setattr__(self, name, value)

        return __setstate__

    def _set_nothing(self, name, value):  # noqa: ARG001 - the signature of ``__setattr__``
        import dataclasses  # noqa: PLC0415 - errors only

        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def _delete_nothing(self, name):  # noqa: ARG001 - the signature of ``__delattr__``
        import dataclasses  # noqa: PLC0415 - errors only

        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def _library_fields(library, owner):
        found = {}
        for name, each in owner._record.items():  # noqa: SLF001 - it is ours
            default = {} if each.default is _MISSING else {"default": each.default}
            factory = {"default_factory": each.factory} if each.factory else {}
            made = library.field(init=each.init, kw_only=each.kw_only, **default, **factory)
            made.name, made.type, made._field_type = name, each.type, library._FIELD  # noqa: SLF001 - it has no other way
            found[name] = made
        return found

    def _parameters(library, **given):
        wanted = library._DataclassParams.__slots__  # noqa: SLF001 - as above
        return {name: given.get(name, name in ("init", "repr")) for name in wanted}


__all__ = ("dataclass", "field", "fields", "is_dataclass", "replace")
