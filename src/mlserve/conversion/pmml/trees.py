"""TreeModel: the first child whose predicate is true leads on; rules say what a missing value does."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mlserve.conversion.base import CannotConvert
from mlserve.conversion.graph import Graph
from mlserve.conversion.pmml.columns import Columns
from mlserve.conversion.pmml.predicates import Splitter, Way
from mlserve.conversion.pmml.results import Result
from mlserve.conversion.trees import Forest

_PREDICATES = ("True", "False", "SimplePredicate", "SimpleSetPredicate", "CompoundPredicate")
_OPPOSITES = {("lessOrEqual", "greaterThan"), ("lessThan", "greaterOrEqual"), ("equal", "notEqual")}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a node says: its score and the share of each class."""

    score: str | None
    shares: dict[str, float]
    identity: str = ""


def answer_of(node: ET.Element) -> Answer:
    """The score of a node, and its distribution as shares."""
    told = node.findall("ScoreDistribution")
    counts = {one.get("value", ""): float(one.get("recordCount", "0")) for one in told}
    total = sum(counts.values())
    shares = {name: count / total for name, count in counts.items()} if total else {}
    for one in told:
        if one.get("probability") is not None:
            shares[one.get("value", "")] = float(one.get("probability", "0"))
    score = node.get("score")
    if score is None and shares:
        score = max(shares, key=lambda name: shares[name])
    return Answer(score, shares or ({score: 1.0} if score is not None else {}), node.get("id", ""))


@dataclass(slots=True)
class TreeWriter:
    """Writes trees into a forest; ``leaf`` turns what a node says into a number for each target."""

    splitter: Splitter
    leaf: Callable[[Answer], list[float]]
    nothing: list[float]
    """The leaf of no answer."""
    used_nothing: bool = False
    _strategy: str = "none"
    _no_child: str = "returnNullPrediction"

    known: ClassVar[tuple[str, ...]] = ("none", "defaultChild", "lastPrediction", "nullPrediction")

    def add(self, model: ET.Element) -> None:
        """One TreeModel as the next tree."""
        self._strategy = model.get("missingValueStrategy", "none")
        self._no_child = model.get("noTrueChildStrategy", "returnNullPrediction")
        if self._strategy not in self.known:
            raise CannotConvert(f"the strategy {self._strategy} for missing values is not written as ONNX yet")
        if model.find("Node") is None:
            raise CannotConvert("a TreeModel has no nodes of its own")
        self.splitter.begin()
        root = model.find("Node")
        assert root is not None  # noqa: S101 - looked for above
        # A root whose own predicate is not true has no answer.
        self.splitter.split(predicate_of(root), 0, lambda at: self._node(root, at), self._none, self._none)

    def _node(self, node: ET.Element, at: int) -> None:
        children = node.findall("Node")
        if children:
            self._children(node, children, 0, at)
        else:
            self._answer(node, at)

    def _children(self, node: ET.Element, children: list[ET.Element], index: int, at: int) -> None:
        if index == len(children):
            (self._last(node) if self._no_child == "returnLastPrediction" else self._none)(at)
            return
        child = children[index]
        if index == 1 and len(children) == 2 and self._opposite(children):
            self._node(child, at)
            return

        def otherwise(here: int) -> None:
            self._children(node, children, index + 1, here)

        def into(here: int) -> None:
            self._node(child, here)

        self.splitter.split(predicate_of(child), at, into, otherwise, self._unknown(node, child, into, otherwise))

    def _unknown(self, node: ET.Element, child: ET.Element, into: Way, otherwise: Way) -> Way:
        if self._strategy == "none":
            return otherwise
        if self._strategy == "nullPrediction":
            return self._none
        if self._strategy == "lastPrediction":
            return self._last(node)
        wanted = node.get("defaultChild")
        if child.get("id") == wanted:
            return into
        others = [one for one in node.findall("Node") if one.get("id") == wanted]
        return (lambda here: self._node(others[0], here)) if others else self._none

    def _opposite(self, children: list[ET.Element]) -> bool:
        """The second child is all that the first is not, and a missing value was dealt with before."""
        first, second = (predicate_of(child) for child in children)
        if first.tag != "SimplePredicate" or second.tag != "SimplePredicate":
            return False
        operators = first.get("operator", ""), second.get("operator", "")
        same = all(first.get(key) == second.get(key) for key in ("field", "value"))
        certain = self._strategy != "none" or not self.splitter.may_miss(first.get("field", ""))
        return same and certain and (operators in _OPPOSITES or operators[::-1] in _OPPOSITES)

    def _last(self, node: ET.Element) -> Way:
        return lambda at: self._answer(node, at)

    def _answer(self, node: ET.Element, at: int) -> None:
        answer = answer_of(node)
        if answer.score is None:
            self._none(at)
        else:
            self.splitter.forest.leaf(self.splitter.tree, at, self.leaf(answer))

    def _none(self, at: int) -> None:
        self.used_nothing = True
        self.splitter.forest.leaf(self.splitter.tree, at, self.nothing)


@dataclass(slots=True)
class Planted:
    """A forest in the graph: its totals in double precision, and where there is no answer."""

    totals: str
    nothing: str = ""

    def raw(self, graph: Graph, first: int, count: int = 1) -> str:
        """Some of the targets; anything where there is no answer."""
        limits = (graph.constant([first], np.int64), graph.constant([first + count], np.int64))
        return str(graph.add("Slice", self.totals, *limits, graph.constant([1], np.int64)))

    def answered(self, graph: Graph, source: str) -> str:
        """NaN where there is no answer."""
        if not self.nothing:
            return source
        return str(graph.add("Where", self.nothing, graph.constant(np.nan, np.float64), source))

    def part(self, graph: Graph, first: int, count: int) -> str:
        """Some of the targets; NaN where there is no answer."""
        return self.answered(graph, self.raw(graph, first, count))


def plant(columns: Columns, models: list[ET.Element], targets: int, leaf: Callable[[Answer], list[float]]) -> Planted:
    """Trees as one operator; each leaf gives ``targets`` numbers, added up over the trees."""
    graph, forest = columns.graph, Forest(targets + 1, double=True)
    splitter = Splitter(forest, columns)
    writer = TreeWriter(splitter, lambda answer: [*leaf(answer), 0.0], [0.0] * targets + [1.0])
    for model in models:
        writer.add(model)
    planted = Planted(total_of(columns, splitter))
    if writer.used_nothing:
        gone = planted.raw(graph, targets)
        planted.nothing = graph.add("Greater", gone, graph.constant(0.0, np.float64))
    return planted


def total_of(columns: Columns, splitter: Splitter) -> str:
    """The operator in the graph, over the fields that were split; its answers in double precision."""
    graph = columns.graph
    sources = [columns.get(name).source for name in splitter.features] or [next(iter(columns.known.values())).source]
    table = graph.add("Concat", *sources, axis=1) if len(sources) > 1 else sources[0]
    total = graph.fresh("totals")
    graph.put(splitter.forest.operator(table, total))
    return graph.cast(total, np.float64)


def tree(columns: Columns, model: ET.Element) -> Result:
    """The answer of a single TreeModel: the operator finds the leaf, tables say what that leaf stands for."""
    graph, leaves = columns.graph, list[Answer]()

    def leaf(answer: Answer) -> list[float]:
        if answer not in leaves[-1:]:
            leaves.append(answer)
        return [float(len(leaves) - 1)]

    planted = plant(columns, [model], 1, leaf)
    place = graph.cast(planted.raw(graph, 0), np.int64)

    def told(values: list[float]) -> str:
        return planted.answered(graph, graph.add("Gather", graph.constant(values, np.float64), place))

    if model.get("functionName") != "classification":
        return Result(value=told([_number(answer) for answer in leaves]))
    words = classes(columns, model)
    shares = graph.constant([[answer.shares.get(word, 0.0) for word in words] for answer in leaves], np.float64)
    row = graph.add("Squeeze", place, graph.constant([1], np.int64))
    names = graph.add("Gather", graph.constant([answer.identity for answer in leaves]), place)
    return Result(
        words=words,
        probabilities=planted.answered(graph, graph.add("Gather", shares, row)),
        index=told([float(words.index(answer.score or "")) for answer in leaves]),
        entity=graph.add("Where", planted.nothing, graph.constant(""), names) if planted.nothing else names,
    )


def classes(columns: Columns, model: ET.Element) -> tuple[str, ...]:
    """The words of all that its nodes say, in the order in which they come."""
    words: dict[str, None] = {}
    for node in model.iter("Node"):
        words |= dict.fromkeys(one.get("value", "") for one in node.findall("ScoreDistribution"))
    for node in model.iter("Node"):
        if node.get("score") is not None:
            words[node.get("score", "")] = None
    return tuple(words)


def _number(answer: Answer) -> float:
    return float(answer.score or "nan")


def predicate_of(node: ET.Element) -> ET.Element:
    """What has to be true for a node."""
    for child in node:
        if child.tag in _PREDICATES:
            return child
    raise CannotConvert(f'the node "{node.get("id")}" has no predicate')
