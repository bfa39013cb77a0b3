"""PMML, compiled by us: regressions, trees, their ensembles and chains, neural networks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from mlserve.conversion.base import Attempt, CannotConvert, Source
from mlserve.conversion.graph import Graph
from mlserve.conversion.pmml.columns import ABSENT_NUMBER, ABSENT_WORD, Columns, hints
from mlserve.conversion.pmml.document import Document, active, read, target
from mlserve.conversion.pmml.expressions import derive
from mlserve.conversion.pmml.models import answer
from mlserve.conversion.pmml.outputs import emit, named
from mlserve.conversion.pmml.verification import evidence, signature

REQUIREMENTS: tuple[str, ...] = ("onnx>=1.16", "onnxruntime>=1.17")
VERSION = "2"
EVIDENCE = b"<ModelVerification"


def convert(source: Source) -> Iterator[Attempt]:
    """The document as a graph; raises CannotConvert at the first element that is not known."""
    document = read(source.path)
    columns = _compiled(document)
    said = named(columns, document.model, answer(columns, document.model), target(document.model))
    told, absent = signature(document, said), _absent(document)
    proof = evidence(document, told, absent)
    metadata = told if proof else source.native().metadata()
    for tensor in metadata.outputs:
        if tensor.name not in said:
            raise CannotConvert(f'the output "{tensor.name}" is not written as ONNX yet')
        emit(columns, said[tensor.name], tensor.name, tensor.datatype)
    yield Attempt(columns.graph.model(), hints(columns, document), metadata, proof, absent)


def _absent(document: Document) -> dict[str, Any]:
    """A missing value where the document has rules for it, else what EAS takes instead."""
    missing = {"BYTES": ABSENT_WORD, "INT64": ABSENT_NUMBER} if document.has_rules else {"BYTES": "", "INT64": 0}
    kinds = {**missing, "FP32": math.nan, "FP64": math.nan, "BOOL": False}
    names = [mining.get("name", "") for mining in active(document.model)]
    return {name: kinds[document.fields[name].datatype] for name in names}


def _compiled(document: Document) -> Columns:
    columns = Columns(Graph("model"))
    for mining in active(document.model):
        columns.take(document, mining)
    derive(columns, document.root.find("TransformationDictionary"))
    return columns
