"""A PMML file as elements without namespaces, and the fields that it declares."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlserve.conversion.base import CannotConvert

MODELS = (
    "RegressionModel", "TreeModel", "MiningModel", "NeuralNetwork", "Scorecard", "ClusteringModel", "NaiveBayesModel",
)  # fmt: skip
_RULES = ("missingValueReplacement", "missingValueTreatment", "missingValueStrategy")
_DATATYPES = {"double": "FP64", "float": "FP32", "integer": "INT64", "boolean": "BOOL"}


@dataclass(frozen=True, slots=True)
class Field:
    """A declared column. ``words``: its categories, where it has a list of them."""

    name: str
    datatype: str
    categorical: bool
    words: tuple[str, ...] = ()

    @property
    def text(self) -> bool:
        return self.datatype == "BYTES"


@dataclass(frozen=True, slots=True)
class Document:
    """One file, its namespaces dropped."""

    root: ET.Element
    model: ET.Element
    fields: dict[str, Field]
    has_rules: bool
    """It says itself what a missing value means; without, EAS's rule holds: 0, false or nothing."""


def read(path: Path) -> Document:
    """Parse a file; raises CannotConvert where it is no PMML, or could be a trap."""
    text = path.read_bytes()
    if b"\0" in text or b"<!DOCTYPE" in text or b"<!ENTITY" in text:  # UTF-16 would hide them
        raise CannotConvert(
            "it is no UTF-8, or has a document type of its own, which could read files or grow without an end"
        )
    try:
        root = ET.fromstring(text)  # noqa: S314 - without a document type there are no entities to expand
    except ET.ParseError as exc:
        raise CannotConvert(f"it is not XML: {exc}") from exc
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    models = [child for child in root if child.tag in MODELS]
    if not models:
        kinds = [child.tag for child in root if child.tag.endswith(("Model", "Scorecard", "Network"))]
        raise CannotConvert(f"a {kinds[0]} is not written as ONNX yet" if kinds else "it holds no model")
    rules = any(rule.encode() in text for rule in _RULES)
    return Document(root, models[0], {field.name: field for field in _fields(root)}, rules)


def found(element: ET.Element, tag: str) -> ET.Element:
    """The child of this name, which has to be there."""
    child = element.find(tag)
    if child is None:
        raise CannotConvert(f"its {element.tag} has no {tag}")
    return child


def active(model: ET.Element) -> list[ET.Element]:
    """The mining fields that a model takes."""
    schema = found(model, "MiningSchema")
    return [field for field in schema if field.get("usageType", "active") == "active"]


def target(model: ET.Element) -> str | None:
    """The name of what a model predicts."""
    named = [field.get("name") for field in found(model, "MiningSchema")
             if field.get("usageType") in ("target", "predicted")]  # fmt: skip
    return named[0] if named else None


def _fields(root: ET.Element) -> Iterator[Field]:
    for element in found(root, "DataDictionary").findall("DataField"):
        if any(value.get("property", "valid") != "valid" for value in element.findall("Value")):
            raise CannotConvert(f'the field "{element.get("name")}" lists values that are missing or invalid')
        if element.find("Interval") is not None:
            raise CannotConvert(f'the field "{element.get("name")}" is limited to intervals')
        datatype = _DATATYPES.get(element.get("dataType", "").lower(), "BYTES")
        if datatype == "BYTES" and element.get("dataType") != "string":
            raise CannotConvert(f'the field "{element.get("name")}" is a {element.get("dataType")}')
        words = tuple(value.get("value", "") for value in element.findall("Value"))
        yield Field(element.get("name", ""), datatype, element.get("optype") != "continuous", words)
