"""Expressions of derived fields, as columns."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import numpy as np

from mlserve.conversion.base import CannotConvert
from mlserve.conversion.graph import Graph
from mlserve.conversion.pmml.columns import Column, Columns
from mlserve.conversion.pmml.document import found

_TWO = {"+": "Add", "-": "Sub", "*": "Mul", "/": "Div", "pow": "Pow", "min": "Min", "max": "Max"}
_ONE = {"exp": "Exp", "ln": "Log", "sqrt": "Sqrt", "abs": "Abs", "floor": "Floor", "ceil": "Ceil"}
_COMPARE = {
    "equal": "Equal", "lessThan": "Less", "lessOrEqual": "LessOrEqual", "greaterThan": "Greater",
    "greaterOrEqual": "GreaterOrEqual",
}  # fmt: skip


def derive(columns: Columns, parent: ET.Element | None) -> None:
    """Add the derived fields of a dictionary or of local transformations, in their order."""
    for element in parent.findall("DerivedField") if parent is not None else ():
        columns.known[element.get("name", "")] = expression(columns, inner(element))


def inner(element: ET.Element) -> ET.Element:
    """The expression in a field; extensions and listed values are none."""
    for child in element:
        if child.tag not in ("Extension", "Value", "Interval"):
            return child
    raise CannotConvert(f'the field "{element.get("name")}" has no expression')


def expression(columns: Columns, element: ET.Element) -> Column:
    """The column that an expression gives."""
    write = _WRITERS.get(element.tag)
    if write is None:
        raise CannotConvert(f"the expression {element.tag} is not written as ONNX yet")
    column: Column = write(columns, element)
    return column


def _field(columns: Columns, element: ET.Element) -> Column:
    column = columns.get(element.get("field", ""))
    return _mapped_missing(columns.graph, column, element)


def _constant(columns: Columns, element: ET.Element) -> Column:
    try:
        value = float(element.text or "")
    except ValueError as exc:
        raise CannotConvert(f'the constant "{element.text}" is not a number') from exc
    return Column(columns.graph.constant([[value]], np.float64), may_miss=False)


def _norm_continuous(columns: Columns, element: ET.Element) -> Column:
    """Straight lines between points; outside of them the first or last line goes on, or the row is cut off."""
    graph, column = columns.graph, columns.get(element.get("field", ""))
    points = [(float(one.get("orig", "")), float(one.get("norm", ""))) for one in element.findall("LinearNorm")]
    outliers = element.get("outliers", "asIs")
    if len(points) < 2 or outliers == "asMissingValues":
        raise CannotConvert(f'the field "{element.get("field")}" is scaled in a way that is not written as ONNX yet')
    for at, _norm in points:
        columns.noted(element.get("field", ""), at)
    source = column.source
    if outliers == "asExtremeValues":
        bounds = (graph.constant(points[0][0], np.float64), graph.constant(points[-1][0], np.float64))
        source = graph.add("Min", graph.add("Max", source, bounds[0]), bounds[1])
    result = _line(graph, source, points[0], points[1])
    for before, after in pairwise(points[1:]):
        beyond = graph.add("Greater", source, graph.constant(before[0], np.float64))
        result = graph.add("Where", beyond, _line(graph, source, before, after), result)
    return _mapped_missing(graph, Column(result, may_miss=column.may_miss), element)


def _line(graph: Graph, source: str, before: tuple[float, float], after: tuple[float, float]) -> str:
    slope = (after[1] - before[1]) / (after[0] - before[0])
    from_start = graph.add("Sub", source, graph.constant(before[0], np.float64))
    rise = graph.add("Mul", from_start, graph.constant(slope, np.float64))
    return str(graph.add("Add", rise, graph.constant(before[1], np.float64)))


def _norm_discrete(columns: Columns, element: ET.Element) -> Column:
    graph, column = columns.graph, columns.get(element.get("field", ""))
    same = graph.cast(indicator(columns, column, element.get("value", "")), np.float64)
    if column.may_miss:
        same = graph.add("Where", graph.add("IsNaN", column.source), graph.constant(np.nan, np.float64), same)
    return _mapped_missing(graph, Column(same, may_miss=column.may_miss), element)


def indicator(columns: Columns, column: Column, value: str) -> str:
    """Where a column has a value; false where it is missing."""
    return str(columns.graph.add("Equal", column.source, columns.graph.constant(column.number(value), np.float64)))


def _apply(columns: Columns, element: ET.Element) -> Column:
    graph, function = columns.graph, element.get("function", "")
    if element.get("defaultValue") is not None:
        raise CannotConvert(f"the function {function} has a default value")
    parts = [expression(columns, child) for child in element if child.tag != "Extension"]
    if any(part.words is not None for part in parts):
        raise CannotConvert(f"the function {function} takes words")
    sources = [part.source for part in parts]
    column = Column(_called(graph, function, sources), may_miss=any(part.may_miss for part in parts))
    return _mapped_missing(graph, column, element)


def _called(graph: Graph, function: str, sources: list[str]) -> str:
    if function in _TWO and len(sources) == 2:
        return str(graph.add(_TWO[function], *sources))
    if function in _ONE and len(sources) == 1:
        return str(graph.add(_ONE[function], *sources))
    if function == "log10":
        return str(graph.add("Mul", graph.add("Log", sources[0]), graph.constant(1 / np.log(10), np.float64)))
    if function in _COMPARE and len(sources) == 2:
        same = graph.cast(graph.add(_COMPARE[function], *sources), np.float64)
        either = graph.add("IsNaN", graph.add("Add", *sources))
        return str(graph.add("Where", either, graph.constant(np.nan, np.float64), same))
    if function == "if" and len(sources) == 3:
        return str(graph.add("Where", graph.cast(_known(graph, sources[0]), np.bool_), *sources[1:]))
    if function == "isMissing":
        return graph.cast(graph.add("IsNaN", sources[0]), np.float64)
    if function == "isNotMissing":
        return graph.cast(graph.add("Not", graph.add("IsNaN", sources[0])), np.float64)
    raise CannotConvert(f"the function {function} is not written as ONNX yet")


def _known(graph: Graph, source: str) -> str:
    """A missing truth is none."""
    return str(graph.add("Where", graph.add("IsNaN", source), graph.constant(0.0, np.float64), source))


def _mapped_missing(graph: Graph, column: Column, element: ET.Element) -> Column:
    value = element.get("mapMissingTo")
    if value is None or not column.may_miss:
        return column
    instead = graph.constant(column.number(value), np.float64)
    source = graph.add("Where", graph.add("IsNaN", column.source), instead, column.source)
    return Column(source, column.words, may_miss=False)


def _discretize(columns: Columns, element: ET.Element) -> Column:
    """Bins as numbers, or as words where their values are no numbers."""
    graph, column = columns.graph, columns.get(element.get("field", ""))
    bins = element.findall("DiscretizeBin")
    values = [one.get("binValue", "") for one in bins]
    words = None if all(_is_number(value) for value in values) else tuple(dict.fromkeys(values))
    result, kind = graph.constant([[np.nan]], np.float64), Column("", words)
    if element.get("defaultValue") is not None:
        result = graph.constant([[kind.number(element.get("defaultValue", ""))]], np.float64)
    for one, value in reversed(list(zip(bins, values, strict=True))):
        inside = _inside(columns, column, found(one, "Interval"), element.get("field", ""))
        result = graph.add("Where", inside, graph.constant(kind.number(value), np.float64), result)
    result = graph.add("Where", graph.add("IsNaN", column.source), graph.constant(np.nan, np.float64), result)
    return _mapped_missing(graph, Column(result, words), element)


def _inside(columns: Columns, column: Column, interval: ET.Element, name: str) -> str:
    graph, closure = columns.graph, interval.get("closure", "openOpen")
    sides: list[Any] = []
    if (low := interval.get("leftMargin")) is not None:
        columns.noted(name, float(low))
        operator = "GreaterOrEqual" if closure.startswith("closed") else "Greater"
        sides.append(graph.add(operator, column.source, graph.constant(float(low), np.float64)))
    if (high := interval.get("rightMargin")) is not None:
        columns.noted(name, float(high))
        operator = "LessOrEqual" if closure.endswith("Closed") else "Less"
        sides.append(graph.add(operator, column.source, graph.constant(float(high), np.float64)))
    if not sides:
        raise CannotConvert("an interval has no end")
    return str(sides[0] if len(sides) == 1 else graph.add("And", *sides))


def _map_values(columns: Columns, element: ET.Element) -> Column:
    """A table from the words or numbers of one column to others."""
    graph, pairs = columns.graph, element.findall("FieldColumnPair")
    table, output = element.find("InlineTable"), element.get("outputColumn", "")
    if len(pairs) != 1 or table is None:
        raise CannotConvert("a table of several columns is not written as ONNX yet")
    column, key = columns.get(pairs[0].get("field", "")), pairs[0].get("column", "")
    rows = [{cell.tag: cell.text or "" for cell in row} for row in table.findall("row")]
    values = [row[output] for row in rows]
    words = None if all(_is_number(value) for value in values) else tuple(dict.fromkeys(values))
    result, kind = graph.constant([[np.nan]], np.float64), Column("", words)
    if element.get("defaultValue") is not None:
        result = graph.constant([[kind.number(element.get("defaultValue", ""))]], np.float64)
        result = graph.add("Where", graph.add("IsNaN", column.source), graph.constant(np.nan, np.float64), result)
    for row in rows:
        same = indicator(columns, column, row[key])
        result = graph.add("Where", same, graph.constant(kind.number(row[output]), np.float64), result)
    return _mapped_missing(graph, Column(result, words), element)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_WRITERS = {
    "FieldRef": _field, "Constant": _constant, "NormContinuous": _norm_continuous, "NormDiscrete": _norm_discrete,
    "Apply": _apply, "Discretize": _discretize, "MapValues": _map_values,
}  # fmt: skip
