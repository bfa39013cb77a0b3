"""TensorFlow SavedModels, by tf2onnx: the signature that would be served, its variables made part of the graph."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from mlserve.conversion.base import Attempt, CannotConvert, Source
from mlserve.conversion.graph import OPSET
from mlserve.runtime.processors.base import Metadata, Place
from mlserve.runtime.processors.tensorflow import TensorflowProcessor

REQUIREMENTS: tuple[str, ...] = ("tf2onnx>=1.16", "onnx>=1.16", "onnxruntime>=1.17")
VERSION = "1"
CONVERTER = "tf2onnx"


def convert(source: Source) -> Iterator[Attempt]:
    """The graph with its inputs and outputs in the order of the native processor's."""
    processor = TensorflowProcessor(Place(source.path, None, require_safe=source.require_safe))
    processor.load(source.path, source.config)
    yield Attempt(_ordered(_by_tf2onnx(processor.function), processor.metadata()))


def _by_tf2onnx(function: Any) -> Any:
    from tf2onnx import convert

    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    found = SimpleNamespace(get_concrete_function=lambda *_: function)  # it is one already
    try:
        model, _external = convert.from_function(found, input_signature=(), opset=OPSET)
    except Exception as exc:
        raise CannotConvert(f"tf2onnx can't convert it ({type(exc).__name__}: {str(exc)[:200]})") from exc
    foreign = {node.op_type for node in model.graph.node if node.domain not in ("", "ai.onnx", "ai.onnx.ml")}
    if foreign:
        raise CannotConvert(f"tf2onnx knows no {', '.join(sorted(foreign))}")
    return model


def _ordered(model: Any, metadata: Metadata) -> Any:
    """The same graph with its ends in the order of the native processor's."""
    for ends, tensors in ((model.graph.input, metadata.inputs), (model.graph.output, metadata.outputs)):
        by_name = {one.name.split(":")[0]: one for one in ends}
        missing = [tensor.name for tensor in tensors if tensor.name not in by_name]
        if missing:
            raise CannotConvert(f'the graph that tf2onnx wrote has no "{missing[0]}"')
        kept = [by_name[tensor.name] for tensor in tensors]
        del ends[:]
        ends.extend(kept)
    return model
