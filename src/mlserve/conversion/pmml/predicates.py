"""Predicates as nodes of a tree, with three ways out: true, false, and unknown for a missing value."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mlserve.conversion.base import CannotConvert
from mlserve.conversion.pmml.columns import Columns, listed
from mlserve.conversion.trees import Forest

Way = Callable[[int], None]
"""Writes what comes next at a node."""

_MODES = {"lessOrEqual": "LEQ", "lessThan": "LT", "greaterOrEqual": "GTE", "greaterThan": "GT", "equal": "EQ"}
_MOST_NODES = 2_000_000


@dataclass(slots=True)
class Splitter:
    """Writes the splits of one tree of a forest."""

    forest: Forest
    columns: Columns
    features: dict[str, int] = field(default_factory=dict)
    """Field → its column in the table that the forest is given."""
    tree: int = 0
    _next: int = 1

    def begin(self) -> None:
        """The next tree."""
        self.tree, self._next = self.forest.begin(), 1

    def split(self, predicate: ET.Element, at: int, yes: Way, no: Way, unknown: Way) -> None:
        """Write a predicate at a node. Two ways that are the same function are the same way."""
        kind = predicate.tag
        if kind == "True":
            yes(at)
        elif kind == "False":
            no(at)
        elif kind == "SimplePredicate":
            self._simple(predicate, at, yes, no, unknown)
        elif kind == "SimpleSetPredicate":
            self._set(predicate, at, yes, no, unknown)
        elif kind == "CompoundPredicate":
            self._compound(predicate, at, yes, no, unknown)
        else:
            raise CannotConvert(f"the predicate {kind} is not written as ONNX yet")

    def may_miss(self, name: str) -> bool:
        return self.columns.get(name).may_miss

    def _simple(self, predicate: ET.Element, at: int, yes: Way, no: Way, unknown: Way) -> None:
        name, operator = predicate.get("field", ""), predicate.get("operator", "")
        if operator in ("isMissing", "isNotMissing"):
            there, gone = (no, yes) if operator == "isMissing" else (yes, no)
            self._branch(at, name, "LEQ", np.inf, there, gone)
            return
        value = self.columns.get(name).number(predicate.get("value", ""))
        self.columns.noted(name, value)
        self._compare(name, operator, value, at, yes, no, unknown)

    def _compare(self, name: str, operator: str, value: float, at: int, yes: Way, no: Way, unknown: Way) -> None:
        if operator == "notEqual":
            operator, yes, no = "equal", no, yes
        mode = _MODES.get(operator)
        if mode is None or (mode != "EQ" and self.columns.get(name).words is not None):
            raise CannotConvert(f'the comparison "{operator}" of the field "{name}" is not written as ONNX yet')
        if not self.may_miss(name) or unknown is no:
            self._branch(at, name, mode, value, yes, no)
        elif unknown is yes:
            self._branch(at, name, mode, value, yes, no, missing=True)
        else:
            self._branch(at, name, "LEQ", np.inf, lambda here: self._branch(here, name, mode, value, yes, no), unknown)

    def _set(self, predicate: ET.Element, at: int, yes: Way, no: Way, unknown: Way) -> None:
        name, words = predicate.get("field", ""), listed(predicate.find("Array"))
        if predicate.get("booleanOperator") == "isNotIn":
            yes, no = no, yes
        values = [self.columns.get(name).number(word) for word in words]

        def one_of(here: int, index: int) -> None:
            """Only the first of them meets a missing value, unless that goes the way of those that are none of them."""
            if index == len(values):
                no(here)
                return

            def further(there: int) -> None:
                one_of(there, index + 1)

            self._compare(
                name, "equal", values[index], here, yes, further, further if index or unknown is no else unknown
            )

        one_of(at, 0)

    def _compound(self, predicate: ET.Element, at: int, yes: Way, no: Way, unknown: Way) -> None:
        parts = [part for part in predicate if part.tag != "Extension"]
        operator = predicate.get("booleanOperator", "")
        if operator == "and":
            self._all(parts, at, yes, no, unknown, doubt=False)
        elif operator == "or":
            self._any(parts, at, yes, no, unknown, doubt=False)
        elif operator == "surrogate":
            self._first_known(parts, at, yes, no, unknown)
        else:
            raise CannotConvert(f"predicates joined by {operator} are not written as ONNX yet")

    def _all(self, parts: list[ET.Element], at: int, yes: Way, no: Way, unknown: Way, *, doubt: bool) -> None:
        """False as soon as one is; unknown where none is false and one is unknown."""
        if not parts:
            (unknown if doubt else yes)(at)
            return

        def rest(doubt: bool) -> Way:
            return lambda here: self._all(parts[1:], here, yes, no, unknown, doubt=doubt)

        certain = rest(doubt)
        in_doubt = no if unknown is no else certain if doubt else rest(True)
        self.split(parts[0], at, certain, no, in_doubt)

    def _any(self, parts: list[ET.Element], at: int, yes: Way, no: Way, unknown: Way, *, doubt: bool) -> None:
        """True as soon as one is; unknown where none is true and one is unknown."""
        if not parts:
            (unknown if doubt else no)(at)
            return

        def rest(doubt: bool) -> Way:
            return lambda here: self._any(parts[1:], here, yes, no, unknown, doubt=doubt)

        certain = rest(doubt)
        in_doubt = certain if doubt or unknown is no else rest(True)
        self.split(parts[0], at, yes, certain, in_doubt)

    def _first_known(self, parts: list[ET.Element], at: int, yes: Way, no: Way, unknown: Way) -> None:
        if not parts:
            unknown(at)
            return
        self.split(parts[0], at, yes, no, lambda here: self._first_known(parts[1:], here, yes, no, unknown))

    def _branch(self, at: int, name: str, mode: str, value: float, yes: Way, no: Way, *, missing: bool = False) -> None:
        first = self._next
        self._next += 2
        if self._next > _MOST_NODES:
            raise CannotConvert("its trees become too large")
        feature = self.features.setdefault(name, len(self.features))
        self.forest.branch(self.tree, at, feature, mode, value, (first, first + 1), missing)
        yes(first)
        no(first + 1)
