"""Layers over space or time: convolutions, pooling, padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlserve.conversion.base import CannotConvert
from mlserve.conversion.graph import Graph
from mlserve.conversion.keras.activations import activate
from mlserve.conversion.keras.layers import Layer, Writer


def _turned(graph: Graph, layer: Layer, source: str, axes: int) -> str:
    """Channels to the front, where they are last."""
    if layer.config.get("data_format") == "channels_first":
        return source
    return str(graph.add("Transpose", source, perm=[0, axes + 1, *range(1, axes + 1)]))


def _back(graph: Graph, layer: Layer, source: str, axes: int) -> str:
    if layer.config.get("data_format") == "channels_first":
        return source
    return str(graph.add("Transpose", source, perm=[0, *range(2, axes + 2), 1]))


def _sizes(value: Any, axes: int) -> list[int]:
    return [int(value)] * axes if isinstance(value, int) else [int(one) for one in value]


def _window(layer: Layer, size: str, axes: int) -> dict[str, Any]:
    """Kernel, strides, holes and padding as ONNX attributes."""
    config = layer.config
    kernel = _sizes(config[size], axes)
    told: dict[str, Any] = {"kernel_shape": kernel, "strides": _sizes(config.get("strides") or kernel, axes)}
    if any(hole != 1 for hole in _sizes(config.get("dilation_rate", 1), axes)):
        told["dilations"] = _sizes(config["dilation_rate"], axes)
    if config["padding"] == "same":
        told["auto_pad"] = "SAME_UPPER"
    elif config["padding"] == "causal":
        told["pads"] = [(kernel[0] - 1) * _sizes(config.get("dilation_rate", 1), axes)[0], 0]
    elif config["padding"] != "valid":
        raise CannotConvert(f'the layer "{layer.name}" pads by "{config["padding"]}"')
    return told


def _finished(graph: Graph, layer: Layer, result: str, axes: int) -> str:
    return activate(graph, _back(graph, layer, result, axes), layer.config.get("activation"))


def _conv(axes: int) -> Writer:
    def write(graph: Graph, layer: Layer, inputs: list[str]) -> str:
        kernel = np.transpose(layer.weights[0], (axes + 1, axes, *range(axes)))
        parts = [graph.constant(one, np.float32) for one in (kernel, *layer.weights[1:2])]
        source = _turned(graph, layer, inputs[0], axes)
        attributes = {**_window(layer, "kernel_size", axes), "group": int(layer.config.get("groups", 1))}
        return _finished(graph, layer, graph.add("Conv", source, *parts, **attributes), axes)

    return write


def _depthwise(axes: int, graph: Graph, layer: Layer, source: str, bias: list[Any]) -> str:
    """Each channel by itself; ``source`` has the channels in front."""
    kernel = layer.weights[0]
    channels, several = kernel.shape[-2:]
    turned = np.transpose(kernel, (axes, axes + 1, *range(axes))).reshape(channels * several, 1, *kernel.shape[:axes])
    parts = [graph.constant(one, np.float32) for one in (turned, *bias)]
    return str(graph.add("Conv", source, *parts, **_window(layer, "kernel_size", axes), group=channels))


def _depthwise_conv(axes: int) -> Writer:
    def write(graph: Graph, layer: Layer, inputs: list[str]) -> str:
        source = _turned(graph, layer, inputs[0], axes)
        return _finished(graph, layer, _depthwise(axes, graph, layer, source, layer.weights[1:2]), axes)

    return write


def _separable_conv(axes: int) -> Writer:
    def write(graph: Graph, layer: Layer, inputs: list[str]) -> str:
        deep = _depthwise(axes, graph, layer, _turned(graph, layer, inputs[0], axes), [])
        point = np.transpose(layer.weights[1], (axes + 1, axes, *range(axes)))
        parts = [graph.constant(one, np.float32) for one in (point, *layer.weights[2:3])]
        return _finished(graph, layer, graph.add("Conv", deep, *parts, kernel_shape=[1] * axes), axes)

    return write


def _transposed_conv(axes: int) -> Writer:
    def write(graph: Graph, layer: Layer, inputs: list[str]) -> str:
        config = layer.config
        if config.get("output_padding") is not None or any(
            h != 1 for h in _sizes(config.get("dilation_rate", 1), axes)
        ):
            raise CannotConvert(f'the layer "{layer.name}" is a transposed convolution with holes')
        kernel, strides = _sizes(config["kernel_size"], axes), _sizes(config["strides"], axes)
        more = [max(step - size, 0) for size, step in zip(kernel, strides, strict=True)]
        cut = [
            max(size - step, 0) if config["padding"] == "same" else 0
            for size, step in zip(kernel, strides, strict=True)
        ]
        pads = [one // 2 for one in cut] + [one - one // 2 for one in cut]
        weights = np.transpose(layer.weights[0], (axes + 1, axes, *range(axes)))
        parts = [graph.constant(one, np.float32) for one in (weights, *layer.weights[1:2])]
        source = _turned(graph, layer, inputs[0], axes)
        attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "pads": pads, "output_padding": more}
        return _finished(graph, layer, graph.add("ConvTranspose", source, *parts, **attributes), axes)

    return write


def _pool(operator: str, axes: int) -> Writer:
    def write(graph: Graph, layer: Layer, inputs: list[str]) -> str:
        source = _turned(graph, layer, inputs[0], axes)
        return _back(graph, layer, graph.add(operator, source, **_window(layer, "pool_size", axes)), axes)

    return write


def _global_pool(operator: str, axes: int) -> Writer:
    def write(graph: Graph, layer: Layer, inputs: list[str]) -> str:
        front = layer.config.get("data_format") == "channels_first"
        over = list(range(2, axes + 2)) if front else list(range(1, axes + 1))
        keep = int(bool(layer.config.get("keepdims")))
        return str(graph.add(operator, inputs[0], graph.constant(over, np.int64), keepdims=keep))

    return write


def _pairs(value: Any, axes: int) -> list[tuple[int, int]]:
    """Before and after, on each axis."""
    if isinstance(value, int):
        return [(value, value)] * axes
    if axes == 1 and all(isinstance(one, int) for one in value):
        return [(int(value[0]), int(value[-1]))]
    return [(one, one) if isinstance(one, int) else (int(one[0]), int(one[1])) for one in value]


def _zero_padding(axes: int) -> Writer:
    def write(graph: Graph, layer: Layer, inputs: list[str]) -> str:
        pairs = _pairs(layer.config["padding"], axes)
        front = layer.config.get("data_format") == "channels_first"
        every = [(0, 0), (0, 0), *pairs] if front else [(0, 0), *pairs, (0, 0)]
        pads = [one for one, _ in every] + [one for _, one in every]
        return str(graph.add("Pad", inputs[0], graph.constant(pads, np.int64)))

    return write


def _cropping(axes: int) -> Writer:
    def write(graph: Graph, layer: Layer, inputs: list[str]) -> str:
        pairs = _pairs(layer.config["cropping"], axes)
        first = 2 if layer.config.get("data_format") == "channels_first" else 1
        limits = (
            [before for before, _ in pairs],
            [-after if after else np.iinfo(np.int64).max for _, after in pairs],
            list(range(first, first + axes)),
        )
        return str(graph.add("Slice", inputs[0], *(graph.constant(one, np.int64) for one in limits)))

    return write


def _up_sampling(axes: int) -> Writer:
    def write(graph: Graph, layer: Layer, inputs: list[str]) -> str:
        if layer.config.get("interpolation", "nearest") != "nearest":
            raise CannotConvert(f'the layer "{layer.name}" enlarges by {layer.config["interpolation"]}')
        size = [float(one) for one in _sizes(layer.config["size"], axes)]
        source = _turned(graph, layer, inputs[0], axes)
        scales = graph.constant([1.0, 1.0, *size], np.float32)
        grown = graph.add(
            "Resize", source, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )  # fmt: skip
        return _back(graph, layer, grown, axes)

    return write


WRITERS: dict[str, Writer] = {"UpSampling1D": _up_sampling(1), "UpSampling2D": _up_sampling(2)}
for _axes in (1, 2, 3):
    WRITERS |= {
        f"Conv{_axes}D": _conv(_axes),
        f"Conv{_axes}DTranspose": _transposed_conv(_axes),
        f"DepthwiseConv{_axes}D": _depthwise_conv(_axes),
        f"SeparableConv{_axes}D": _separable_conv(_axes),
        f"MaxPooling{_axes}D": _pool("MaxPool", _axes),
        f"AveragePooling{_axes}D": _pool("AveragePool", _axes),
        f"GlobalMaxPooling{_axes}D": _global_pool("ReduceMax", _axes),
        f"GlobalAveragePooling{_axes}D": _global_pool("ReduceMean", _axes),
        f"ZeroPadding{_axes}D": _zero_padding(_axes),
        f"Cropping{_axes}D": _cropping(_axes),
    }
