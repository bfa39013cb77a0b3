"""ModelVerification: rows with their answers, as the tool that wrote the document has computed them."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlserve.conversion.base import Evidence
from mlserve.conversion.pmml.document import Document, active, found, target
from mlserve.conversion.pmml.outputs import Said
from mlserve.runtime.processors.base import Metadata, Tensor
from mlserve.runtime.tensors import DTYPES

_TOLERANCE = 1e-4


def signature(document: Document, said: Mapping[str, Said]) -> Metadata:
    """What the native processor would say of the document."""
    names = [mining.get("name", "") for mining in active(document.model)]
    inputs = [Tensor(name, document.fields[name].datatype, (-1, 1), optional=True) for name in names]
    outputs = [Tensor(name, _datatype(document, one), (-1,)) for name, one in said.items()]
    return Metadata(tuple(inputs), tuple(outputs), "pmml", rows=True)


def evidence(document: Document, metadata: Metadata, absent: Mapping[str, Any]) -> Evidence | None:
    """The rows of the document with the answers that can be compared; None where it brings none."""
    told = document.model.find("ModelVerification")
    if told is None:
        return None
    fields = {one.get("field", ""): one for one in found(told, "VerificationFields")}
    rows = [{cell.tag: cell.text or "" for cell in row} for row in found(told, "InlineTable").findall("row")]
    outputs = {tensor.name: key for tensor in metadata.outputs if (key := _key(tensor.name, document, fields))}
    if not rows or not outputs:
        return None
    columns = {name: _column(fields[key], rows) for name, key in outputs.items()}
    return Evidence(
        inputs={
            tensor.name: _array(tensor, _column(fields.get(tensor.name), rows), absent[tensor.name]).reshape(-1, 1)
            for tensor in metadata.inputs
        },
        outputs={tensor.name: _array(tensor, columns[tensor.name], math.nan if tensor.datatype != "BYTES" else "")
                 for tensor in metadata.outputs if tensor.name in columns},
        tolerance=max([_TOLERANCE, *(float(fields[key].get("precision", "1e-6")) for key in outputs.values())]),
    )  # fmt: skip


def _key(output: str, document: Document, fields: Mapping[str, ET.Element]) -> str | None:
    """The field of the verification that is an output: by its name, or the target for what is predicted."""
    if output in fields:
        return output
    wanted = target(document.model)
    return wanted if wanted in fields and output == f"predicted_{wanted}" else None


def _column(field: ET.Element | None, rows: list[dict[str, str]]) -> list[str | None]:
    name = (field.get("column") or field.get("field") or "") if field is not None else ""
    return [row.get(name.rpartition(":")[2]) for row in rows]


def _array(tensor: Tensor, values: list[str | None], missing: Any) -> Any:
    if tensor.datatype == "BYTES":
        return np.array([missing if value is None else value for value in values], DTYPES["BYTES"])
    numbers = {"true": 1.0, "false": 0.0}
    read = [missing if value in (None, "") else numbers.get(str(value)) for value in values]
    read = [float(str(value)) if one is None else one for one, value in zip(read, values, strict=True)]
    return np.array(read).astype(DTYPES[tensor.datatype])


def _datatype(document: Document, said: Said) -> str:
    if said.column is None:
        return "BYTES"
    if said.column.words is None:
        return "FP64"
    field = document.fields.get(target(document.model) or "")
    return field.datatype if field is not None else "BYTES"
