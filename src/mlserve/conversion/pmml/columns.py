"""The columns of a row as numbers of double precision: NaN is a missing value, a word is its place in a list."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlserve.conversion.base import CannotConvert, Hint
from mlserve.conversion.graph import Graph
from mlserve.conversion.pmml.document import Document, Field

ABSENT_WORD = "\x00absent"
ABSENT_NUMBER = -(2**63)
"""What stands for an input that was left out, where the type has no NaN."""
_UNKNOWN = -1.0


@dataclass(frozen=True, slots=True)
class Column:
    """``source``: numbers of double precision, one column. ``words``: what the numbers stand for."""

    source: str
    words: tuple[str, ...] | None = None
    may_miss: bool = True

    def number(self, value: str) -> float:
        """A constant of the document as it is in this column."""
        if self.words is None:
            try:
                return {"true": 1.0, "false": 0.0}.get(value) if value in ("true", "false") else float(value)  # type: ignore[return-value]
            except ValueError as exc:
                raise CannotConvert(f'"{value}" is not a number') from exc
        return float(self.words.index(value)) if value in self.words else _UNKNOWN - 1


@dataclass(slots=True)
class Columns:
    """All fields that are known so far, and what makes a whole row invalid."""

    graph: Graph
    known: dict[str, Column] = field(default_factory=dict)
    invalid: list[str] = field(default_factory=list)
    hints: dict[str, list[float]] = field(default_factory=dict)
    """Values of the inputs at which the model decides."""

    def get(self, name: str) -> Column:
        """A field that was declared or derived before."""
        column = self.known.get(name)
        if column is None:
            raise CannotConvert(f'the field "{name}" is used before it is known')
        return column

    def noted(self, name: str, value: float) -> None:
        """The model decides at this value of a field."""
        self.hints.setdefault(name, []).append(value)

    def take(self, document: Document, mining: ET.Element) -> None:
        """One input of the whole, under its own name."""
        declared = document.fields.get(mining.get("name", ""))
        if declared is None:
            raise CannotConvert(f'the field "{mining.get("name")}" is not declared')
        if mining.get("outliers", "asIs") != "asIs":
            raise CannotConvert(f'the field "{declared.name}" has a rule for outliers')
        treatment = mining.get("invalidValueTreatment", "returnInvalid")
        source = self.graph.input(declared.name, _DTYPES[declared.datatype], [None, 1])
        if declared.text:
            column = self._words(document, declared, source, treatment)
        else:
            column = self._numbers(document, declared, source, treatment)
        self.known[declared.name] = self.replaced(column, mining)

    def _numbers(self, document: Document, declared: Field, source: str, treatment: str) -> Column:
        graph = self.graph
        number = graph.cast(source, np.float64)
        if declared.datatype == "INT64" and document.has_rules:
            left_out = graph.add("Equal", source, graph.constant(ABSENT_NUMBER, np.int64))
            number = graph.add("Where", left_out, graph.constant(np.nan, np.float64), number)
        if declared.datatype.startswith("FP") and not document.has_rules:
            number = graph.add("Where", graph.add("IsNaN", number), graph.constant(0.0, np.float64), number)
        if declared.words and declared.categorical and declared.datatype != "BOOL" and treatment != "asIs":
            number = self._limited(number, [float(word) for word in declared.words], treatment)
        return Column(number, None, may_miss=document.has_rules)

    def _limited(self, number: str, allowed: list[float], treatment: str) -> str:
        """Only these numbers: others are invalid, or missing."""
        graph = self.graph
        same = graph.cast(graph.add("Equal", number, graph.constant([allowed], np.float64)), np.float64)
        valid = graph.cast(graph.add("ReduceMax", same, graph.constant([1], np.int64), keepdims=1), np.bool_)
        if treatment == "asMissing":
            return str(graph.add("Where", valid, number, graph.constant(np.nan, np.float64)))
        self.invalid.append(graph.add("Not", graph.add("Or", valid, graph.add("IsNaN", number))))
        return number

    def _words(self, document: Document, declared: Field, source: str, treatment: str) -> Column:
        graph, words = self.graph, declared.words or _used(document.root, declared.name)
        codes = [*range(len(words)), np.nan]
        number = graph.cast(
            graph.add(
                "LabelEncoder", source, domain="ai.onnx.ml", keys_strings=[*words, ABSENT_WORD],
                values_floats=[float(code) for code in codes], default_float=_UNKNOWN,
            ),
            np.float64,
        )  # fmt: skip
        if declared.words and treatment != "asIs":
            unknown = graph.add("Equal", number, graph.constant(_UNKNOWN, np.float64))
            if treatment == "asMissing":
                number = graph.add("Where", unknown, graph.constant(np.nan, np.float64), number)
            else:
                self.invalid.append(unknown)
        return Column(number, words, may_miss=document.has_rules)

    def replaced(self, column: Column, mining: ET.Element) -> Column:
        value = mining.get("missingValueReplacement")
        if value is None:
            return column
        graph = self.graph
        instead = graph.constant(column.number(value), np.float64)
        source = graph.add("Where", graph.add("IsNaN", column.source), instead, column.source)
        return Column(source, column.words, may_miss=False)


_DTYPES: dict[str, Any] = {
    "FP64": np.float64, "FP32": np.float32, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_,
}  # fmt: skip


def hints(columns: Columns, document: Document) -> dict[str, tuple[Hint, ...]]:
    """What to ask each input with."""
    made: dict[str, tuple[Hint, ...]] = {}
    for name, column in columns.known.items():
        declared = document.fields.get(name)
        if declared is None:
            continue
        if declared.text:
            made[name] = (Hint(column.words or ()),)
            continue
        values = sorted(set(columns.hints.get(name, [float(word) for word in declared.words])))
        if values:
            low, high = values[0], values[-1]
            made[name] = (
                Hint(tuple(values[:: max(1, len(values) // 500)]), (low + high) / 2, (high - low) / 3 or 1.0),
            )
    return made


def _used(root: ET.Element, name: str) -> tuple[str, ...]:
    """The words that the document compares a field with."""
    words: dict[str, None] = {}
    for element in root.iter():
        if name not in (element.get("field"), element.get("name")):
            continue
        if element.tag in ("SimplePredicate", "CategoricalPredictor", "NormDiscrete"):
            words[element.get("value", "")] = None
        elif element.tag == "SimpleSetPredicate":
            words |= dict.fromkeys(listed(element.find("Array")))
    return tuple(word for word in words if word)


def listed(array: ET.Element | None) -> list[str]:
    """The entries of an Array: apart by spaces, in quotes where one holds a space."""
    import re

    text = array.text if array is not None and array.text else ""
    pairs = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', text)
    return [quoted.replace('\\"', '"') if quoted or not plain else plain for quoted, plain in pairs]
