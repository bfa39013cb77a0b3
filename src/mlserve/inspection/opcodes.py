"""Follow a pickle's opcodes without obeying them: which names it imports, which versions it mentions.

A stack of placeholders goes along, because names may come from the memo, and because joblib puts the bytes of arrays
between the opcodes: how many can only be told from the array's recorded shape and type.
"""

from __future__ import annotations

import math
import pickletools
import re
from typing import IO, cast

from mlserve.inspection.machine import Broken, Machine, Made, Trace
from mlserve.inspection.streams import Bounded

_MAX_DEPTH = 16


def follow(file: Bounded, trace: Trace, depth: int = 0) -> None:
    """Follow one pickle to its STOP; raises Broken where it is none, TooMuch beyond the bounds."""
    if depth > _MAX_DEPTH:
        raise Broken("arrays of objects nested without an end")
    machine = Machine(trace)
    try:
        for opcode, argument, _ in pickletools.genops(cast(IO[bytes], file)):
            machine.step(opcode, argument)
            if opcode.name == "BUILD" and machine.is_array():
                _pass_array(file, machine.stack[-1], trace, depth)
    except (ValueError, IndexError, KeyError, TypeError, UnicodeError, OverflowError) as exc:
        raise Broken(f"{str(exc)[:100] or type(exc).__name__} (byte {file.tell()})") from exc
    trace.root = machine.last


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
