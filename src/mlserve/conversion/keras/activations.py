"""Keras's activations by name, in ONNX."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mlserve.conversion.base import CannotConvert
from mlserve.conversion.graph import Graph

_PLAIN = {
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softplus": "Softplus", "softsign": "Softsign",
    "selu": "Selu", "exponential": "Exp",
}  # fmt: skip


def activate(graph: Graph, source: str, told: Any) -> str:
    """The values after an activation; raises CannotConvert for one of the user's own."""
    name = told["config"] if isinstance(told, dict) and isinstance(told.get("config"), str) else told
    if name in (None, "linear"):
        return source
    if name in _PLAIN:
        return str(graph.add(_PLAIN[name], source))
    if name == "softmax":
        return str(graph.add("Softmax", source, axis=-1))
    if name == "log_softmax":
        return str(graph.add("LogSoftmax", source, axis=-1))
    if name == "elu":
        return str(graph.add("Elu", source, alpha=1.0))
    if name == "leaky_relu":
        return str(graph.add("LeakyRelu", source, alpha=0.2))
    if name == "relu6":
        return clipped(graph, source, 0.0, 6.0)
    if name in ("hard_sigmoid",):
        return str(graph.add("HardSigmoid", source, alpha=1 / 6, beta=0.5))
    if name in ("swish", "silu"):
        return str(graph.add("Mul", source, graph.add("Sigmoid", source)))
    if name == "gelu":
        return _gelu(graph, source)
    if name == "mish":
        return str(graph.add("Mul", source, graph.add("Tanh", graph.add("Softplus", source))))
    raise CannotConvert(f"the activation {name!r} is not written as ONNX yet")


def clipped(graph: Graph, source: str, low: float, high: float) -> str:
    """Between two bounds."""
    return str(graph.add("Clip", source, graph.constant(low, np.float32), graph.constant(high, np.float32)))


def _gelu(graph: Graph, source: str) -> str:
    scaled = graph.add("Mul", source, graph.constant(1 / math.sqrt(2), np.float32))
    bell = graph.add("Add", graph.add("Erf", scaled), graph.constant(1.0, np.float32))
    return str(graph.add("Mul", graph.add("Mul", source, graph.constant(0.5, np.float32)), bell))
