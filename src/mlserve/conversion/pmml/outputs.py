"""The outputs of a model: those that it declares, else the ones that are usual for its kind."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

import numpy as np

from mlserve.conversion.base import CannotConvert
from mlserve.conversion.graph import Graph
from mlserve.conversion.pmml.columns import Column, Columns
from mlserve.conversion.pmml.expressions import expression, inner
from mlserve.conversion.pmml.results import Result, chosen, unanswered


@dataclass(frozen=True, slots=True)
class Said:
    """One output: a column, or text as it is."""

    column: Column | None = None
    text: str = ""


def named(columns: Columns, model: ET.Element, result: Result, target: str | None) -> dict[str, Said]:
    """Every output by its name."""
    if model.find("Output") is not None:
        texts = {one.get("name", ""): Said(text=result.entity) for one in _fields(model) if _is_entity(one)}
        columns_of = declared(columns, model, result)
        return {**texts, **{name: Said(column) for name, column in columns_of.items()}}
    graph = columns.graph
    if result.usual:
        return {name: Said(column) for name, column in result.usual.items()}
    if not result.classifies:
        return {f"predicted_{target or 'value'}": Said(Column(result.value))}
    found = {f"predicted_{target or 'value'}": Said(_class(graph, result))}
    found["probability"] = Said(Column(_best(graph, result)))
    for word in result.words:
        found[f"probability_{word}"] = Said(Column(_share(graph, result, word)))
    if result.entity:
        found["node_id"] = Said(text=result.entity)
    return found


def declared(columns: Columns, model: ET.Element, result: Result) -> dict[str, Column]:
    """The output fields of a model as columns; later ones may be made of earlier ones."""
    graph, own = columns.graph, dict(columns.known)
    found: dict[str, Column] = {}
    for field in _fields(model):
        if _is_entity(field):
            continue
        feature, name = field.get("feature", "predictedValue"), field.get("name", "")
        if feature == "predictedValue":
            found[name] = _class(graph, result) if result.classifies else Column(result.value)
        elif feature == "probability" and result.classifies:
            word = field.get("value")
            found[name] = Column(_best(graph, result) if word is None else _share(graph, result, word))
        elif feature == "transformedValue":
            inside = Columns(graph, {**own, **found}, columns.invalid, columns.hints)
            found[name] = expression(inside, inner(field))
        else:
            raise CannotConvert(f"the output {feature} is not written as ONNX yet")
    return found


def _fields(model: ET.Element) -> list[ET.Element]:
    output = model.find("Output")
    return output.findall("OutputField") if output is not None else []


def _is_entity(field: ET.Element) -> bool:
    return field.get("feature") == "entityId"


def _class(graph: Graph, result: Result) -> Column:
    """The chosen class as a column of words."""
    number = graph.cast(chosen(graph, result), np.float64)
    gone = unanswered(graph, result)
    return Column(graph.add("Where", gone, graph.constant(np.nan, np.float64), number), result.words)


def _best(graph: Graph, result: Result) -> str:
    return str(graph.add("GatherElements", result.probabilities, chosen(graph, result), axis=1))


def _share(graph: Graph, result: Result, word: str) -> str:
    if word not in result.words:
        raise CannotConvert(f'an output asks for the class "{word}", which the model does not know')
    return str(graph.add("Gather", result.probabilities, graph.constant([result.words.index(word)], np.int64), axis=1))


def emit(columns: Columns, said: Said, name: str, datatype: str) -> None:
    """Close the graph with one output, as the native processor has it; no answer is NaN, 0 or empty."""
    graph = columns.graph
    if said.column is None:
        if not said.text:
            raise CannotConvert(f'the output "{name}" is not written as ONNX yet')
        graph.output(_without(columns, said.text, graph.constant("")), name, np.object_, [None, 1])
        return
    column = said.column
    if column.words is None:
        if datatype == "BYTES":
            raise CannotConvert(f'the output "{name}" is a number given as text')
        number = _without(columns, column.source, graph.constant(np.nan, np.float64))
        if not datatype.startswith("FP"):
            number = graph.add("Where", graph.add("IsNaN", number), graph.constant(0.0, np.float64), number)
        graph.output(number, name, np.float64, [None, 1])
        return
    gone = graph.add("IsNaN", column.source)
    place = graph.cast(graph.add("Where", gone, graph.constant(0.0, np.float64), column.source), np.int64)
    if datatype == "BYTES":
        text = graph.add("Where", gone, graph.constant(""), graph.add("Gather", graph.constant(column.words), place))
        graph.output(_without(columns, text, graph.constant("")), name, np.object_, [None, 1])
        return
    numbers = graph.constant([Column("").number(word) for word in column.words], np.float64)
    nothing = graph.constant(np.nan if datatype.startswith("FP") else 0.0, np.float64)
    value = graph.add("Where", gone, nothing, graph.add("Gather", numbers, place))
    graph.output(_without(columns, value, nothing), name, np.float64, [None, 1])


def _without(columns: Columns, source: str, nothing: str) -> str:
    """Nothing where the row is invalid."""
    for mask in columns.invalid:
        source = columns.graph.add("Where", mask, nothing, source)
    return source
