"""Recurrent layers: LSTM, GRU, SimpleRNN, and both directions of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlserve.conversion.base import CannotConvert
from mlserve.conversion.graph import Graph
from mlserve.conversion.keras.layers import Layer, Writer

_NAMES = {"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu"}
_MERGES = {"sum": "Add", "mul": "Mul"}


def _recurrent(kind: str) -> Writer:
    def write(graph: Graph, layer: Layer, inputs: list[str]) -> str:
        return _one_way(graph, kind, layer, inputs, backwards=bool(layer.config.get("go_backwards")))

    return write


def _bidirectional(graph: Graph, layer: Layer, inputs: list[str]) -> str:
    inner = layer.config["layer"]
    kind, half = inner["class_name"], len(layer.weights) // 2
    if kind not in ("LSTM", "GRU", "SimpleRNN"):
        raise CannotConvert(f'the layer "{layer.name}" goes both ways over a {kind}')
    ways = [
        _one_way(graph, kind, Layer(layer.name, inner["config"], part), inputs, backwards=backwards, paired=True)
        for part, backwards in ((layer.weights[:half], False), (layer.weights[half:], True))
    ]
    merge = layer.config.get("merge_mode", "concat")
    if merge == "concat":
        return str(graph.add("Concat", *ways, axis=-1))
    if merge == "ave":
        return str(graph.add("Mean", *ways))
    if merge in _MERGES:
        return str(graph.add(_MERGES[merge], *ways))
    raise CannotConvert(f'the layer "{layer.name}" merges its ways by {merge}')


def _one_way(graph: Graph, kind: str, layer: Layer, inputs: list[str], *, backwards: bool, paired: bool = False) -> str:
    config = layer.config
    if len(inputs) != 1 or config.get("return_state") or config.get("stateful"):
        raise CannotConvert(f'the layer "{layer.name}" takes or gives states')
    whole = bool(config.get("return_sequences"))
    if backwards and whole and not paired:
        raise CannotConvert(f'the layer "{layer.name}" gives its sequence backwards')
    units, attributes, arrays = int(config["units"]), _functions(kind, layer), _arranged(kind, layer)
    parts = [graph.constant(one[np.newaxis], np.float32) for one in arrays]
    steps = graph.add("Transpose", inputs[0], perm=[1, 0, 2])
    direction = "reverse" if backwards else "forward"
    operator = "RNN" if kind == "SimpleRNN" else kind
    outputs = graph.add(operator, steps, *parts, outputs=2, hidden_size=units, direction=direction, **attributes)
    if not whole:
        return str(graph.add("Squeeze", outputs[1], graph.constant([0], np.int64)))
    every = graph.add("Squeeze", outputs[0], graph.constant([1], np.int64))
    return str(graph.add("Transpose", every, perm=[1, 0, 2]))


def _functions(kind: str, layer: Layer) -> dict[str, Any]:
    config = layer.config
    names = [config.get("activation", "tanh")]
    if kind != "SimpleRNN":
        names = [config.get("recurrent_activation", "sigmoid"), *names]
    if kind == "LSTM":
        names.append(names[-1])
    unknown = [name for name in names if name not in _NAMES]
    if unknown:
        raise CannotConvert(f'the layer "{layer.name}" uses {unknown[0]} inside')
    told: dict[str, Any] = {"activations": [_NAMES[name] for name in names]}
    return told | ({"linear_before_reset": int(bool(config.get("reset_after", True)))} if kind == "GRU" else {})


def _arranged(kind: str, layer: Layer) -> list[Any]:
    """Kernel, recurrent kernel and bias with the gates in ONNX's order."""
    kernel, recurrent, *bias = layer.weights
    units = recurrent.shape[0]
    order = {"LSTM": (0, 3, 1, 2), "GRU": (0, 1, 2), "SimpleRNN": (0,)}[kind]

    def sorted_gates(array: Any) -> Any:
        return np.concatenate([array[..., gate * units : (gate + 1) * units] for gate in order], axis=-1)

    arrays = [sorted_gates(kernel).T, sorted_gates(recurrent).T]
    if bias:
        own = bias[0] if bias[0].ndim == 2 else np.stack([bias[0], np.zeros_like(bias[0])])
        arrays.append(np.concatenate([sorted_gates(own[0]), sorted_gates(own[1])]))
    return arrays


WRITERS: dict[str, Writer] = {
    "LSTM": _recurrent("LSTM"),
    "GRU": _recurrent("GRU"),
    "SimpleRNN": _recurrent("SimpleRNN"),
    "Bidirectional": _bidirectional,
}
