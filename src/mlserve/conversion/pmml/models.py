"""Each model element by its name, and MiningModel, which puts several of them together."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import reduce

import numpy as np

from mlserve.conversion.base import CannotConvert
from mlserve.conversion.pmml.bayes import naive_bayes
from mlserve.conversion.pmml.clustering import clustering
from mlserve.conversion.pmml.columns import Columns
from mlserve.conversion.pmml.document import active, found
from mlserve.conversion.pmml.expressions import derive
from mlserve.conversion.pmml.neural import network
from mlserve.conversion.pmml.outputs import declared
from mlserve.conversion.pmml.regression import regression
from mlserve.conversion.pmml.results import Result, rescaled
from mlserve.conversion.pmml.scorecard import scorecard
from mlserve.conversion.pmml.trees import Answer, classes, plant, tree

_SUMS = ("sum", "average", "weightedAverage")
_VOTES = ("majorityVote", "weightedMajorityVote")


def answer(columns: Columns, model: ET.Element) -> Result:
    """What a model says, its own derived fields and its target's scale included."""
    derive(columns, model.find("LocalTransformations"))
    write = _WRITERS.get(model.tag)
    if write is None:
        raise CannotConvert(f"a {model.tag} is not written as ONNX yet")
    return rescaled(columns.graph, write(columns, model), model)


def _mining(columns: Columns, model: ET.Element) -> Result:
    segmentation = found(model, "Segmentation")
    method = segmentation.get("multipleModelMethod", "")
    segments = segmentation.findall("Segment")
    if any(segment.find("True") is None for segment in segments):
        raise CannotConvert("a segment is only for some of the rows")
    members = [_member(segment) for segment in segments]
    if method == "modelChain":
        return _chain(columns, members)
    if method not in (*_SUMS, *_VOTES):
        raise CannotConvert(f"models put together by {method} are not written as ONNX yet")
    weighted = method.startswith("weighted")
    weights = [float(segment.get("weight", "1")) if weighted else 1.0 for segment in segments]
    if len(set(weights)) == 1 and all(_is_plain_tree(member) for member in members):
        return _forest(columns, model, members, method)
    return _together(columns, members, weights, method)


def _member(segment: ET.Element) -> ET.Element:
    for child in segment:
        if child.tag in _WRITERS:
            return child
    raise CannotConvert(f'the segment "{segment.get("id")}" holds a model that is not written as ONNX yet')


def _is_plain_tree(model: ET.Element) -> bool:
    """Nothing but nodes over the fields as they are: it can share an operator with others."""
    own = any(field.get("missingValueReplacement") for field in active(model))
    return model.tag == "TreeModel" and model.find("Targets") is None and not own and (
        model.find("LocalTransformations") is None
    )  # fmt: skip


def _forest(columns: Columns, model: ET.Element, members: list[ET.Element], method: str) -> Result:
    graph, count = columns.graph, len(members)
    if members[0].get("functionName") != "classification":
        planted = plant(columns, members, 1, lambda said: [float(said.score or "nan")])
        value = planted.part(graph, 0, 1)
        if method != "sum":
            value = graph.add("Div", value, graph.constant(float(count), np.float64))
        return Result(value=value)
    words = tuple(dict.fromkeys(word for member in members for word in classes(columns, member)))

    def leaf(said: Answer) -> list[float]:
        if method in _VOTES:
            return [float(word == said.score) for word in words]
        return [said.shares.get(word, 0.0) for word in words]

    total = plant(columns, members, len(words), leaf).part(graph, 0, len(words))
    return Result(words=words, probabilities=graph.add("Div", total, graph.constant(float(count), np.float64)))


def _together(columns: Columns, members: list[ET.Element], weights: list[float], method: str) -> Result:
    graph, results = columns.graph, [_inside(columns, member) for member in members]
    whole = sum(weights) if method != "sum" else 1.0
    first = results[0]
    if any(one.words != first.words for one in results):
        raise CannotConvert("the models that are put together know different classes")
    if first.classifies and method in _VOTES:
        raise CannotConvert("votes of models that are no trees are not written as ONNX yet")
    parts = [
        graph.add("Mul", one.probabilities or one.value, graph.constant(weight / whole, np.float64))
        for one, weight in zip(results, weights, strict=True)
    ]
    total = reduce(lambda left, right: graph.add("Add", left, right), parts)
    return Result(words=first.words, probabilities=total) if first.classifies else Result(value=total)


def _chain(columns: Columns, members: list[ET.Element]) -> Result:
    """Each model sees what those before it have put out; the last one answers."""
    result = Result()
    for member in members:
        result = _inside(columns, member)
        for name, column in declared(columns, member, result).items():
            columns.known[name] = column
    return result


def _inside(columns: Columns, member: ET.Element) -> Result:
    """A model with rules of its own for the fields that it takes."""
    own = replace(columns, known=dict(columns.known))
    for mining in active(member):
        if mining.get("name", "") not in own.known:
            raise CannotConvert(f'the field "{mining.get("name")}" of an inner model is not known')
        own.known[mining.get("name", "")] = own.replaced(own.get(mining.get("name", "")), mining)
    return answer(own, member)


_WRITERS = {
    "RegressionModel": regression, "TreeModel": tree, "MiningModel": _mining, "NeuralNetwork": network,
    "Scorecard": scorecard, "ClusteringModel": clustering, "NaiveBayesModel": naive_bayes,
}  # fmt: skip
