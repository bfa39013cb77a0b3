"""NeuralNetwork: layers of neurons, each a sum of weights and a function."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np

from mlserve.conversion.base import CannotConvert
from mlserve.conversion.graph import Graph
from mlserve.conversion.pmml.columns import Columns
from mlserve.conversion.pmml.document import found
from mlserve.conversion.pmml.expressions import expression, inner
from mlserve.conversion.pmml.results import Result

_FUNCTIONS = {
    "logistic": "Sigmoid", "tanh": "Tanh", "exponential": "Exp", "sine": "Sin", "cosine": "Cos", "arctan": "Atan",
    "rectifier": "Relu",
}  # fmt: skip


def network(columns: Columns, model: ET.Element) -> Result:
    """The answer of a NeuralNetwork."""
    graph, known = columns.graph, []
    entries = found(model, "NeuralInputs").findall("NeuralInput")
    sources = [expression(columns, inner(found(one, "DerivedField"))).source for one in entries]
    known = [one.get("id", "") for one in entries]
    state = graph.add("Concat", *sources, axis=1) if len(sources) > 1 else sources[0]
    for layer in model.findall("NeuralLayer"):
        state, known = _layer(graph, model, layer, state, known)
    return _answer(graph, model, state, known)


def _layer(graph: Graph, model: ET.Element, layer: ET.Element, state: str, known: list[str]) -> tuple[str, list[str]]:
    neurons = layer.findall("Neuron")
    weights = np.zeros((len(known), len(neurons)))
    places = {name: index for index, name in enumerate(known)}
    for column, neuron in enumerate(neurons):
        for one in neuron.findall("Con"):
            if one.get("from") not in places:
                raise CannotConvert("a neuron takes from a layer further back")
            weights[places[one.get("from", "")], column] += float(one.get("weight", "0"))
    bias = [[float(neuron.get("bias", "0")) for neuron in neurons]]
    total = graph.add("Add", graph.add("MatMul", state, graph.constant(weights)), graph.constant(bias, np.float64))
    function = layer.get("activationFunction") or model.get("activationFunction") or ""
    result = _activated(graph, function, total)
    method = layer.get("normalizationMethod") or model.get("normalizationMethod") or "none"
    return _normalized(graph, method, result), [neuron.get("id", "") for neuron in neurons]


def _activated(graph: Graph, function: str, source: str) -> str:
    if function == "identity":
        return source
    if function == "square":
        return str(graph.add("Mul", source, source))
    if function == "reciprocal":
        return str(graph.add("Reciprocal", source))
    if function == "Gauss":
        return str(graph.add("Exp", graph.add("Neg", graph.add("Mul", source, source))))
    if function == "arctan":
        return str(graph.add("Mul", graph.add("Atan", source), graph.constant(2 / np.pi, np.float64)))
    if function in _FUNCTIONS:
        return str(graph.add(_FUNCTIONS[function], source))
    raise CannotConvert(f"the activation {function} is not written as ONNX yet")


def _normalized(graph: Graph, method: str, source: str) -> str:
    if method == "none":
        return source
    if method == "softmax":
        return str(graph.add("Softmax", source, axis=1))
    if method == "simplemax":
        total = graph.add("ReduceSum", source, graph.constant([1], np.int64), keepdims=1)
        return str(graph.add("Div", source, total))
    raise CannotConvert(f"the normalization {method} is not written as ONNX yet")


def _answer(graph: Graph, model: ET.Element, state: str, known: list[str]) -> Result:
    outputs = found(model, "NeuralOutputs").findall("NeuralOutput")
    order = [known.index(one.get("outputNeuron", "")) for one in outputs]
    told = [inner(found(one, "DerivedField")) for one in outputs]
    picked = graph.add("Gather", state, graph.constant(order, np.int64), axis=1)
    if model.get("functionName") == "classification":
        if any(one.tag != "NormDiscrete" for one in told):
            raise CannotConvert("an output neuron does not stand for a class")
        return Result(words=tuple(one.get("value", "") for one in told), probabilities=picked)
    if len(told) != 1:
        raise CannotConvert("a network with several numbers as its answer is not written as ONNX yet")
    if told[0].tag == "FieldRef":
        return Result(value=picked)
    points = [(float(one.get("orig", "")), float(one.get("norm", ""))) for one in told[0].findall("LinearNorm")]
    if told[0].tag != "NormContinuous" or len(points) != 2:
        raise CannotConvert("the answer is scaled back in a way that is not written as ONNX yet")
    slope = (points[1][0] - points[0][0]) / (points[1][1] - points[0][1])
    from_start = graph.add("Sub", picked, graph.constant(points[0][1], np.float64))
    rise = graph.add("Mul", from_start, graph.constant(slope, np.float64))
    return Result(value=graph.add("Add", rise, graph.constant(points[0][0], np.float64)))
