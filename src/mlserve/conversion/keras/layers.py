"""What each Keras layer is in ONNX. Pictures stay channels-last between layers; ONNX Runtime drops the turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlserve.conversion.base import CannotConvert
from mlserve.conversion.graph import Graph
from mlserve.conversion.keras.activations import activate


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer's name, configuration and arrays; ``shape`` is what it was built for, empty where that isn't told."""

    name: str
    config: dict[str, Any]
    weights: list[Any]
    shape: tuple[Any, ...] = ()


Writer = Callable[[Graph, Layer, list[str]], str | list[str]]


def _same(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    return inputs[0]


def _dense(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    result = graph.add("MatMul", inputs[0], graph.constant(layer.weights[0], np.float32))
    if layer.config.get("use_bias", True):
        result = graph.add("Add", result, graph.constant(layer.weights[1], np.float32))
    return activate(graph, result, layer.config.get("activation"))


def _normalized(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    """One factor and one summand for each channel, as training left them."""
    config, arrays = layer.config, list(layer.weights)
    gamma = arrays.pop(0) if config.get("scale", True) else None
    beta = arrays.pop(0) if config.get("center", True) else None
    mean, variance = arrays
    factor = (1.0 if gamma is None else gamma) / np.sqrt(variance.astype(np.float64) + config["epsilon"])
    summand = (0.0 if beta is None else beta) - mean * factor
    axis = config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) else axis
    if axis not in (-1, len(layer.shape) - 1 if layer.shape else -1):
        if not layer.shape:
            raise CannotConvert(f'the layer "{layer.name}" does not tell which axis -1 is')
        tail = (len(layer.shape) - 1 - axis) * (1,)
        factor, summand = factor.reshape(-1, *tail), summand.reshape(-1, *tail)
    scaled = graph.add("Mul", inputs[0], graph.constant(factor, np.float32))
    return str(graph.add("Add", scaled, graph.constant(summand, np.float32)))


def _layer_norm(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    config, arrays = layer.config, list(layer.weights)
    axis = config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if axis != -1 and (not layer.shape or axis != len(layer.shape) - 1):
        raise CannotConvert(f'the layer "{layer.name}" normalizes over another axis than the last')
    scale = arrays.pop(0) if config.get("scale", True) else None
    size = len(scale) if scale is not None else len(arrays[0]) if arrays else layer.shape[-1]
    ones = np.ones(size) if scale is None else scale
    offset = arrays.pop(0) if config.get("center", True) else np.zeros(size)
    parts = (graph.constant(ones, np.float32), graph.constant(offset, np.float32))
    return str(graph.add("LayerNormalization", inputs[0], *parts, axis=-1, epsilon=float(config["epsilon"])))


def _activation(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    return activate(graph, inputs[0], layer.config["activation"])


def _relu(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    config = layer.config
    if config.get("threshold"):
        raise CannotConvert(f'the layer "{layer.name}" is a ReLU with a threshold')
    slope, top = float(config.get("negative_slope") or 0.0), config.get("max_value")
    result = graph.add("LeakyRelu", inputs[0], alpha=slope) if slope else graph.add("Relu", inputs[0])
    if top is None:
        return str(result)
    return str(graph.add("Min", result, graph.constant(float(top), np.float32)))


def _leaky(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    slope = layer.config.get("negative_slope", layer.config.get("alpha", 0.3))
    return str(graph.add("LeakyRelu", inputs[0], alpha=float(slope)))


def _elu(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    return str(graph.add("Elu", inputs[0], alpha=float(layer.config.get("alpha", 1.0))))


def _prelu(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    return str(graph.add("PRelu", inputs[0], graph.constant(layer.weights[0], np.float32)))


def _softmax(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    return str(graph.add("Softmax", inputs[0], axis=int(layer.config.get("axis", -1))))


def _merge(operator: str) -> Writer:
    def write(graph: Graph, layer: Layer, inputs: list[str]) -> str:
        result = inputs[0]
        for other in inputs[1:]:
            result = graph.add(operator, result, other)
        return result

    return write


def _average(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    return str(graph.add("Mean", *inputs))


def _concatenate(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    return str(graph.add("Concat", *inputs, axis=int(layer.config.get("axis", -1))))


def _flatten(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    source = inputs[0]
    if layer.config.get("data_format") == "channels_first" and len(layer.shape) > 2:
        source = graph.add("Transpose", source, perm=[0, *range(2, len(layer.shape)), 1])
    return str(graph.add("Flatten", source, axis=1))


def _reshape(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    target = list(layer.config["target_shape"])
    known = [size for size in layer.shape[1:] if isinstance(size, int)]
    if -1 in target and known and len(known) == len(layer.shape) - 1:  # told, so that no rows is no riddle
        rest = -int(np.prod(target))
        target[target.index(-1)] = int(np.prod(known)) // max(rest, 1)
    return str(graph.add("Reshape", inputs[0], graph.constant([0, *target], np.int64)))


def _permute(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    return str(graph.add("Transpose", inputs[0], perm=[0, *layer.config["dims"]]))


def _repeat(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    wide = graph.add("Unsqueeze", inputs[0], graph.constant([1], np.int64))
    return str(graph.add("Tile", wide, graph.constant([1, int(layer.config["n"]), 1], np.int64)))


def _embedding(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    if layer.config.get("mask_zero"):
        raise CannotConvert(f'the layer "{layer.name}" masks what is 0')
    table = graph.constant(layer.weights[0], np.float32)
    return str(graph.add("Gather", table, graph.cast(inputs[0], np.int64), axis=0))


def _rescaling(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    source = graph.cast(inputs[0], np.float32)
    scaled = graph.add("Mul", source, graph.constant(layer.config["scale"], np.float32))
    return str(graph.add("Add", scaled, graph.constant(layer.config.get("offset", 0.0), np.float32)))


def _standard(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    """The layer Normalization, which learned mean and variance before the training."""
    config = layer.config
    mean, variance = (layer.weights[:2] if layer.weights else (config.get("mean"), config.get("variance")))  # fmt: skip
    if mean is None or config.get("invert"):
        raise CannotConvert(f'the layer "{layer.name}" normalizes in a way that is not written as ONNX yet')
    deviation = np.maximum(np.sqrt(np.asarray(variance, np.float64)), 1e-7)
    centred = graph.add("Sub", graph.cast(inputs[0], np.float32), graph.constant(mean, np.float32))
    return str(graph.add("Div", centred, graph.constant(deviation, np.float32)))


def _time_distributed(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    inner = layer.config["layer"]
    if inner["class_name"] not in ("Dense", "Activation", "Dropout"):
        raise CannotConvert(f'the layer "{layer.name}" repeats a {inner["class_name"]} over time')
    return str(WRITERS[inner["class_name"]](graph, Layer(layer.name, inner["config"], layer.weights), inputs))


WRITERS: dict[str, Writer] = {
    **dict.fromkeys(
        ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout",
         "ActivityRegularization", "Identity"), _same),
    "Dense": _dense, "BatchNormalization": _normalized, "LayerNormalization": _layer_norm,
    "Activation": _activation, "ReLU": _relu, "LeakyReLU": _leaky, "ELU": _elu, "PReLU": _prelu, "Softmax": _softmax,
    "Add": _merge("Add"), "Subtract": _merge("Sub"), "Multiply": _merge("Mul"), "Maximum": _merge("Max"),
    "Minimum": _merge("Min"), "Average": _average, "Concatenate": _concatenate, "Flatten": _flatten,
    "Reshape": _reshape, "Permute": _permute, "RepeatVector": _repeat, "Embedding": _embedding,
    "Rescaling": _rescaling, "Normalization": _standard, "TimeDistributed": _time_distributed,
}  # fmt: skip
"""Class name → how it is written."""
