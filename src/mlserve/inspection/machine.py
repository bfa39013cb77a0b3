"""Pickle's stack machine with placeholders for values: it keeps account of names and does nothing. Pure."""

from __future__ import annotations

import pickletools
import re
from dataclasses import dataclass, field
from typing import Any

KEPT = ("_sklearn_version", "shape", "dtype", "numpy_array_alignment_bytes", "handle")
"""What is remembered of an object's state."""
NAMED_COLUMNS = "feature_names_in_"
"""Where scikit-learn keeps the names of the columns that an estimator was fitted with."""
_ARRAYS = ("joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle")
_MAX_STACK = 1_000_000
_MARK = object()


class Broken(ValueError):
    """The bytes are not a whole pickle."""


@dataclass(slots=True)
class Made:
    """Something that a pickle would make: a class or function by name, and what it is given."""

    module: str
    name: str
    called: bool = False
    arguments: Any = None
    state: Any = None


@dataclass(slots=True)
class Trace:
    """What following a pickle showed."""

    imports: set[tuple[str, str]] = field(default_factory=set)
    sklearn_version: str = ""
    named_columns: bool = False
    """An estimator in it was fitted with columns that have names."""
    hidden: bool = False
    """A name was computed, not written: nobody does so but to hide it."""
    root: Any = None
    """What the pickle makes, as far as it is known."""
    raw: list[bytes] = field(default_factory=list)
    """Byte strings that a library keeps its own format in (xgboost's)."""


class Machine:
    """Pickle's stack and memo, with placeholders for values."""

    def __init__(self, trace: Trace) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.trace = trace
        self.last: Any = None

    def is_array(self) -> bool:
        top = self.stack[-1] if self.stack else None
        return isinstance(top, Made) and top.name == "NumpyArrayWrapper" and top.module in _ARRAYS

    def step(self, opcode: Any, argument: Any) -> None:
        own = getattr(self, f"_{opcode.name.lower()}", None)
        if own:
            own(argument)
        elif opcode.name in _TEXTS:
            self.trace.named_columns |= argument == NAMED_COLUMNS
            self.stack.append(str(argument))
        elif opcode.name in _BYTES:
            self._bytes(argument)
        elif opcode.name in _NUMBERS:
            self.stack.append(argument)
        else:
            self._other(opcode)
        if len(self.stack) > _MAX_STACK:
            raise Broken("it piles up more than any model does")

    def _other(self, opcode: Any) -> None:
        """An opcode whose values don't matter: only how many it takes and leaves."""
        takes = list(opcode.stack_before)
        if pickletools.markobject in takes:
            self._to_mark()
            takes = takes[: takes.index(pickletools.markobject)]
        for _ in takes:
            self.stack.pop()
        self.stack.extend(None for _ in opcode.stack_after)

    def _to_mark(self) -> list[Any]:
        items: list[Any] = []
        while self.stack[-1] is not _MARK:
            items.append(self.stack.pop())
        self.stack.pop()
        return items[::-1]

    def _bytes(self, argument: Any) -> None:
        keep = isinstance(argument, bytes | bytearray) and argument[:2] == b"{L" and len(self.trace.raw) < 4
        if keep:
            self.trace.raw.append(bytes(argument))
        self.stack.append(None)

    def _mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def _pop(self, _: Any) -> None:
        self.stack.pop()

    def _pop_mark(self, _: Any) -> None:
        self._to_mark()

    def _dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def _stop(self, _: Any) -> None:
        self.last = self.stack.pop()

    def _import(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            self.trace.hidden = True
            self.stack.append(None)
            return
        self.trace.imports.add((module[:200], name[:200]))
        self.stack.append(Made(module, name))

    def _global(self, argument: Any) -> None:
        module, _, name = argument.partition(" ")
        self._import(module, name)

    def _stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self._import(module, name)

    def _inst(self, argument: Any) -> None:
        self._to_mark()
        self._global(argument)
        self._call(self.stack.pop(), ())

    def _obj(self, _: Any) -> None:
        items = self._to_mark()
        self._call(items[0] if items else None, tuple(items[1:]))

    def _call(self, what: Any, arguments: Any) -> None:
        if isinstance(what, Made):
            if (
                what.name == "_reconstructor"
                and what.module in ("copyreg", "copy_reg")
                and isinstance(arguments, tuple)
                and arguments
            ):
                what = arguments[0] if isinstance(arguments[0], Made) else what
            self.stack.append(Made(what.module, what.name, called=True, arguments=arguments))
        else:
            self.stack.append(None)

    def _reduce(self, _: Any) -> None:
        arguments, what = self.stack.pop(), self.stack.pop()
        self._call(what, arguments)

    _newobj = _reduce

    def _newobj_ex(self, _: Any) -> None:
        self.stack.pop()
        self._reduce(None)

    def _build(self, _: Any) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Made):
            target.state = state
        version = state.get("_sklearn_version") if isinstance(state, dict) else None
        if isinstance(version, str) and re.fullmatch(r"[0-9][0-9A-Za-z.+-]{0,30}", version):
            self.trace.sklearn_version = self.trace.sklearn_version or version

    def _empty_dict(self, _: Any) -> None:
        self.stack.append({})

    def _dict(self, _: Any) -> None:
        self.stack.append(_kept({}, self._to_mark()))

    def _setitems(self, _: Any) -> None:
        items = self._to_mark()
        _kept(self.stack[-1], items)

    def _setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _kept(self.stack[-1], [key, value])

    def _appends(self, _: Any) -> None:
        self._to_mark()

    _additems = _appends

    def _append(self, _: Any) -> None:
        self.stack.pop()

    def _empty_tuple(self, _: Any) -> None:
        self.stack.append(())

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._to_mark()[:40]))

    def _tuple1(self, _: Any) -> None:
        self._pack(1)

    def _tuple2(self, _: Any) -> None:
        self._pack(2)

    def _tuple3(self, _: Any) -> None:
        self._pack(3)

    def _pack(self, count: int) -> None:
        if len(self.stack) < count:
            raise Broken("it takes more values than it has")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def _memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _put(self, argument: Any) -> None:
        self.memo[int(argument)] = self.stack[-1]

    _binput = _long_binput = _put

    def _get(self, argument: Any) -> None:
        self.stack.append(self.memo[int(argument)])

    _binget = _long_binget = _get


_TEXTS = ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8")
_BYTES = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8")
_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "NEWTRUE", "NEWFALSE")


def _kept(target: Any, items: list[Any]) -> Any:
    if isinstance(target, dict):
        pairs = zip(items[::2], items[1::2], strict=False)
        target.update((key, value) for key, value in pairs if isinstance(key, str) and key in KEPT)
    return target
