"""Follow a pickle's opcodes without obeying them: which names it imports, which versions it mentions.

A stack of placeholders goes along, because names may come from the memo, and because joblib puts the bytes of arrays
between the opcodes: how many can only be told from the array's recorded shape and type.
"""

from __future__ import annotations

import math
import pickletools
import re
from dataclasses import dataclass, field
from typing import IO, Any, cast

from mlserve.inspection.streams import Bounded

KEPT = ("_sklearn_version", "shape", "dtype", "numpy_array_alignment_bytes", "handle")
_ARRAYS = ("joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle")
_MAX_DEPTH = 16
_MAX_STACK = 1_000_000


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
    hidden: bool = False
    """A name was computed, not written: nobody does so but to hide it."""
    root: Any = None
    """What the pickle makes, as far as it is known."""
    raw: list[bytes] = field(default_factory=list)
    """Byte strings that a library keeps its own format in (xgboost's)."""


_MARK = object()


def follow(file: Bounded, trace: Trace, depth: int = 0) -> None:
    """Follow one pickle to its STOP; raises Broken where it is none, TooMuch beyond the bounds."""
    if depth > _MAX_DEPTH:
        raise Broken("arrays of objects nested without an end")
    machine = _Machine(trace)
    try:
        for opcode, argument, _ in pickletools.genops(cast(IO[bytes], file)):
            machine.step(opcode, argument)
            if opcode.name == "BUILD" and machine.is_array():
                _pass_array(file, machine.stack[-1], trace, depth)
    except (ValueError, IndexError, KeyError, TypeError, UnicodeError, OverflowError) as exc:
        raise Broken(f"{str(exc)[:100] or type(exc).__name__} (byte {file.tell()})") from exc
    trace.root = machine.last


class _Machine:
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


def _pass_array(file: Bounded, array: Made, trace: Trace, depth: int) -> None:
    """Pass over the bytes of an array that joblib wrote behind the object that describes it."""
    state = array.state if isinstance(array.state, dict) else {}
    dtype, shape = state.get("dtype"), state.get("shape")
    if not isinstance(dtype, Made) or not isinstance(shape, tuple):
        raise Broken("an array without a type or shape")
    size = _item_size(dtype)
    if size is None:
        root = trace.root
        follow(file, trace, depth + 1)
        trace.root = root
        return
    if state.get("numpy_array_alignment_bytes") is not None:
        padding = file.read(1)
        file.skip(padding[0] if padding else 0)
    if not all(isinstance(length, int) and length >= 0 for length in shape):
        raise Broken("an array without a shape")
    wanted = size * math.prod(shape)
    if file.skip(wanted) < wanted:
        raise Broken("it ends in the middle of an array")


def _item_size(dtype: Made) -> int | None:
    """Bytes of one item; ``None`` for Python objects, which joblib writes as a pickle of their own."""
    code = dtype.arguments[0] if isinstance(dtype.arguments, tuple) and dtype.arguments else ""
    match = re.fullmatch(r"[<>=|]?([a-zA-Z?])(\d*)", code) if isinstance(code, str) else None
    if not match:
        raise Broken(f"an array of an unknown type {str(code)[:20]!r}")
    kind, length = match[1], int(match[2] or 1)
    if kind == "O":
        return None
    state = dtype.state
    if kind == "V" and isinstance(state, tuple) and len(state) > 5 and isinstance(state[5], int) and state[5] > 0:
        return state[5]
    return length * 4 if kind == "U" else length
