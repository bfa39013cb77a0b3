"""Give a converted graph the names, datatypes and shapes of the native processor: callers see no difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlserve.conversion.base import Attempt, CannotConvert
from mlserve.conversion.graph import OPSET
from mlserve.runtime.converted import PROPERTY, Limit, signature_text
from mlserve.runtime.processors.base import Metadata, Tensor

_OLD = "own/"
_TYPES = {
    "BOOL": "BOOL", "UINT8": "UINT8", "UINT16": "UINT16", "UINT32": "UINT32", "UINT64": "UINT64", "INT8": "INT8",
    "INT16": "INT16", "INT32": "INT32", "INT64": "INT64", "FP16": "FLOAT16", "FP32": "FLOAT", "FP64": "DOUBLE",
    "BYTES": "STRING",
}  # fmt: skip


def aligned(attempt: Attempt, metadata: Metadata, limits: Mapping[str, Limit] | None = None) -> Any:
    """The attempt's graph with its inputs and outputs, taken in their order, as ``metadata`` has them.

    ``limits``: the numbers that an input takes, where the native library refuses others.
    """
    from onnx import compose, helper

    unknown = [tensor.name for tensor in (*metadata.inputs, *metadata.outputs) if not tensor.datatype]
    if unknown:
        raise CannotConvert(f'the native processor can\'t tell the datatype of "{unknown[0]}"')
    model = compose.add_prefix(attempt.model, _OLD)
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [one for one in graph.input if one.name not in constants]
    if len(inputs) != len(metadata.inputs) or len(graph.output) < len(metadata.outputs):
        raise CannotConvert(
            f"the graph has {len(inputs)} inputs and {len(graph.output)} outputs, the native processor "
            f"{len(metadata.inputs)} and {len(metadata.outputs)}"
        )
    opset = _default_opset(model)
    pairs = list(zip(metadata.inputs, inputs, strict=True))
    ends = list(zip(metadata.outputs, graph.output, strict=False))
    first = [node for tensor, one in pairs for node in _entry(tensor, one)]
    last = [node for tensor, one in ends for node in _exit(tensor, one, graph, opset)]
    nodes = [*first, *graph.node, *last]
    batch = "rows" if metadata.rows else ""
    entries, exits = [_value(tensor, batch) for tensor, _ in pairs], [_value(tensor, batch) for tensor, _ in ends]
    for field, values in ((graph.node, nodes), (graph.input, entries), (graph.output, exits)):
        kept = list(values)
        del field[:]
        field.extend(kept)
    helper.set_model_props(model, {PROPERTY: signature_text(metadata, limits=limits, absent=attempt.absent)})
    return model


def _default_opset(model: Any) -> int:
    """The version of the plain operators; a graph that has none of them yet gets one."""
    from onnx import helper

    for one in model.opset_import:
        if one.domain in ("", "ai.onnx"):
            return int(one.version)
    model.opset_import.append(helper.make_opsetid("", OPSET))
    return OPSET


def _entry(tensor: Tensor, one: Any) -> list[Any]:
    from onnx import helper

    kind = one.type.tensor_type.elem_type
    if kind == _element(tensor):
        return [helper.make_node("Identity", [tensor.name], [one.name])]
    return [helper.make_node("Cast", [tensor.name], [one.name], to=kind)]


def _exit(tensor: Tensor, one: Any, graph: Any, opset: int) -> list[Any]:
    """Cast where the datatype differs, and drop or add a last axis of 1 where the number of axes does."""
    from onnx import helper, numpy_helper

    nodes, name = [], one.name
    have = len(one.type.tensor_type.shape.dim) if one.type.tensor_type.HasField("shape") else None
    wanted = len(tensor.shape) if tensor.shape is not None else None
    if have is not None and wanted is not None and have != wanted:
        if abs(have - wanted) != 1:
            raise CannotConvert(f'output "{tensor.name}" has {have} axes instead of {wanted}')
        operator = "Squeeze" if have > wanted else "Unsqueeze"
        if opset < 13:  # the axes were not an input yet
            axis = have - 1 if have > wanted else have
            nodes.append(helper.make_node(operator, [name], [f"{name}:ranked"], axes=[axis]))
        else:
            graph.initializer.append(numpy_helper.from_array(np.array([-1], np.int64), f"{name}:axis"))
            nodes.append(helper.make_node(operator, [name, f"{name}:axis"], [f"{name}:ranked"]))
        name = f"{name}:ranked"
    if one.type.tensor_type.elem_type == _element(tensor):
        return [*nodes, helper.make_node("Identity", [name], [tensor.name])]
    return [*nodes, helper.make_node("Cast", [name], [tensor.name], to=_element(tensor))]


def _value(tensor: Tensor, batch: str) -> Any:
    from onnx import helper

    shape: list[Any] | None = None
    if tensor.shape is not None:
        shape = [size if size > 0 else f"{tensor.name}:{axis}" for axis, size in enumerate(tensor.shape)]
        if batch and shape and tensor.shape[0] <= 0:
            shape[0] = batch
    return helper.make_tensor_value_info(tensor.name, _element(tensor), shape)


def _element(tensor: Tensor) -> int:
    from onnx import TensorProto

    return int(TensorProto.DataType.Value(_TYPES[tensor.datatype]))
