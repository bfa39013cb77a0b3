"""The inputs as ``model_config.inputs`` has them, for models of tables and texts: held against what the model knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.processors.base import Tensor, declared

_WISH = (
    'correct "inputs" in model_config, or leave it out: [{"name": "age", "type": "double", "shape": [-1, 1]}] is one '
    "column"
)


def told_inputs(config: Mapping[str, Any], own: tuple[Tensor, ...], *, named: bool) -> tuple[Tensor, ...]:
    """The model's own inputs, in the words of its owner; raises StartFailure for others than the model takes.

    ``named``: the model knows its columns by name. Else it takes one table, which may be told as its columns.
    """
    listed = config.get("inputs")
    if listed is None:
        return own
    if not isinstance(listed, list) or not listed or not all(isinstance(one, Mapping) for one in listed):
        raise _refusal("is no list of objects with name, type and shape")
    told = [_tensor(one, own[0] if len(listed) == 1 and not named else None) for one in listed]
    names = [tensor.name for tensor in told]
    if len(set(names)) < len(names):
        raise _refusal(f"names an input twice ({', '.join(names)})")
    if named:
        return _by_name(told, own)
    return (_alone(told[0], own[0]),) if len(told) == 1 else _apart(told, own[0])


def _tensor(one: Mapping[str, Any], like: Tensor | None) -> Tensor:
    from mlserve.runtime.tensors import datatype_named

    name, word, shape = one.get("name"), one.get("type", one.get("datatype")), one.get("shape")
    if not isinstance(name, str) or not name:
        raise _refusal("has an input without a name")
    if shape is not None and (not isinstance(shape, Sequence) or isinstance(shape, str) or not shape):
        raise _refusal(f'has no shape for "{name}" but {shape!r}')
    try:
        datatype = datatype_named(str(word)) if word else (like.datatype if like else "FP64")
    except ValueError as exc:
        raise _refusal(f'has for "{name}" a {exc}') from exc
    return Tensor(name, datatype, declared(shape) if shape is not None else (like.shape if like else (-1, 1)))


def _by_name(told: list[Tensor], own: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    by_name = {tensor.name: tensor for tensor in told}
    if by_name.keys() != {tensor.name for tensor in own}:
        raise _refusal(f"has {', '.join(by_name)}, and the model takes {', '.join(t.name for t in own)}")
    for tensor in told:
        if tensor.shape not in ((-1, 1), (-1,)):
            raise _refusal(
                f'has the shape {list(tensor.shape or ())} for "{tensor.name}", which is one column: [-1, 1]'
            )
    return tuple(replace(tensor, datatype=by_name[tensor.name].datatype) for tensor in own)


def _alone(told: Tensor, own: Tensor) -> Tensor:
    want, came = own.shape or (), told.shape or ()
    if len(want) == 1:
        fits = came in ((-1,), (-1, 1)) and told.datatype == "BYTES"
    else:
        fits = len(came) == 2 and came[0] == -1 and (want[1] < 0 or came[1] in (-1, want[1]))
    if not fits:
        kind = "texts, string" if len(want) == 1 else "a table,"
        raise _refusal(f'has "{told.name}" as {told.datatype} {list(came)}, and the model takes {kind} {list(want)}')
    return told if len(want) == 1 or want[1] < 0 else replace(told, shape=want)


def _apart(told: list[Tensor], own: Tensor) -> tuple[Tensor, ...]:
    want = own.shape or ()
    widths = [(tensor.shape or ())[1] if len(tensor.shape or ()) == 2 else 1 for tensor in told]
    if len(want) == 1:
        raise _refusal(f"has {len(told)} inputs, and the model takes one: texts")
    if -1 in widths or (want[1] > 0 and sum(widths) != want[1]):
        raise _refusal(f"has columns {widths}, and the model takes {want[1]} in all")
    return tuple(replace(one, shape=(-1, width)) for one, width in zip(told, widths, strict=True))


def _refusal(what: str) -> StartFailure:
    return StartFailure("bad-entry", f'"inputs" in model_config {what}', _WISH)
