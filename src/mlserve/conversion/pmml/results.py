"""What a model gives, and what combines it: rescaled targets, probabilities, the best class."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mlserve.conversion.base import CannotConvert
from mlserve.conversion.graph import Graph
from mlserve.conversion.pmml.columns import Column


@dataclass(frozen=True, slots=True)
class Result:
    """A number for each row, or classes with their probabilities. NaN is no answer."""

    value: str = ""
    """Double precision, one column."""
    words: tuple[str, ...] = ()
    """The classes, in the order of the columns of ``probabilities``."""
    probabilities: str = ""
    index: str = ""
    """The chosen class, where it is not simply the most probable one: its number as double precision, one column."""
    entity: str = ""
    """Text, one column: the leaf."""
    usual: Mapping[str, Column] = field(default_factory=dict)
    """The outputs of a kind that has its own, by name."""

    @property
    def classifies(self) -> bool:
        return bool(self.words)


def chosen(graph: Graph, result: Result) -> str:
    """The number of the class for each row, int64, one column; any where there is no answer."""
    if result.index:
        known = graph.add("Max", result.index, graph.constant(0.0, np.float64))
        number = graph.add("Where", graph.add("IsNaN", result.index), graph.constant(0.0, np.float64), known)
        return graph.cast(number, np.int64)
    return str(graph.add("ArgMax", result.probabilities, axis=1, keepdims=1))


def unanswered(graph: Graph, result: Result) -> str:
    """Where there is no answer."""
    source = result.index or result.value
    if not source:
        source = graph.add("ReduceSum", result.probabilities, graph.constant([1], np.int64), keepdims=1)
    return str(graph.add("IsNaN", source))


def rescaled(graph: Graph, result: Result, model: ET.Element) -> Result:
    """The target's own scale and limits."""
    targets = model.find("Targets")
    told = targets.find("Target") if targets is not None else None
    if told is None or result.classifies:
        return result
    value = result.value
    if told.get("min") is not None:
        value = graph.add("Max", value, graph.constant(float(told.get("min", "")), np.float64))
    if told.get("max") is not None:
        value = graph.add("Min", value, graph.constant(float(told.get("max", "")), np.float64))
    factor, constant = float(told.get("rescaleFactor", "1")), float(told.get("rescaleConstant", "0"))
    if factor != 1:
        value = graph.add("Mul", value, graph.constant(factor, np.float64))
    if constant:
        value = graph.add("Add", value, graph.constant(constant, np.float64))
    if (way := told.get("castInteger")) is not None:
        operators = {"round": "Round", "ceiling": "Ceil", "floor": "Floor"}
        if way not in operators:
            raise CannotConvert(f"the target is made whole by {way}")
        value = graph.add(operators[way], value)
    if told.find("TargetValue") is not None and any(one.get("defaultValue") for one in told):
        raise CannotConvert("the target has a default value")
    return Result(value=value)
