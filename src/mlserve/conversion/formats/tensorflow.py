"""TensorFlow SavedModels, by tf2onnx: the signature that would be served, its variables made part of the graph."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

from mlserve.conversion.base import Attempt, CannotConvert, Source, brief
from mlserve.conversion.graph import OPSET
from mlserve.runtime.processors.base import Metadata
from mlserve.runtime.processors.tensorflow import TensorflowProcessor

REQUIREMENTS: tuple[str, ...] = ("tf2onnx>=1.16", "onnx>=1.16", "onnxruntime>=1.17")
VERSION = "1"
CONVERTER = "tf2onnx"


def convert(source: Source) -> Iterator[Attempt]:
    """The graph with its inputs and outputs in the order of the native processor's."""
    processor = cast(TensorflowProcessor, source.native())
    model = _known(_by_tf2onnx(processor.function))
    yield Attempt(_ordered(model, processor.function, processor.metadata()), tabular=False)


def _by_tf2onnx(function: Any) -> Any:
    from tf2onnx import convert

    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    found = SimpleNamespace(get_concrete_function=lambda *_: function)  # it is one already
    try:
        model, _external = convert.from_function(found, input_signature=(), opset=OPSET)
    except Exception as exc:
        raise CannotConvert(f"tf2onnx can't convert it ({brief(exc)})") from exc
    return model


def _known(model: Any) -> Any:
    """Without what tf2onnx leaves as it was: Erfc is 1 - Erf; of anything else raises CannotConvert."""
    import numpy as np
    from onnx import defs, helper, numpy_helper

    nodes = []
    for node in model.graph.node:
        if node.op_type == "Erfc":
            plain, one = f"{node.output[0]}:erf", f"{node.output[0]}:one"
            model.graph.initializer.append(numpy_helper.from_array(np.array(1, np.float32), one))
            nodes.append(helper.make_node("Erf", list(node.input), [plain]))
            nodes.append(helper.make_node("Sub", [one, plain], list(node.output)))
            continue
        if not defs.has(node.op_type, node.domain):
            raise CannotConvert(f"tf2onnx knows no {node.op_type}")
        nodes.append(node)
    kept = list(nodes)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model


def _ordered(model: Any, function: Any, metadata: Metadata) -> Any:
    """The same graph with its ends in the order of the native processor's.

    TensorFlow lists the tensors of a signature in the alphabetic order of its names.
    """
    sides = (
        (model.graph.input, sorted(function.structured_input_signature[1]), metadata.inputs),
        (model.graph.output, sorted(function.structured_outputs), metadata.outputs),
    )
    for ends, names, tensors in sides:
        told = {one.name.split(":")[0]: one for one in ends}
        if len(ends) != len(names):
            raise CannotConvert(f"the graph that tf2onnx wrote has {len(ends)} ends instead of {len(names)}")
        by_name = told if set(names) == set(told) else dict(zip(names, ends, strict=True))
        kept = [by_name[tensor.name] for tensor in tensors]
        del ends[:]
        ends.extend(kept)
    return model
