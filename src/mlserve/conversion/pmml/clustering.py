"""ClusteringModel: the nearest centre."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np

from mlserve.conversion.base import CannotConvert
from mlserve.conversion.pmml.columns import Column, Columns, listed
from mlserve.conversion.pmml.document import found
from mlserve.conversion.pmml.results import Result

_MEASURES = {
    "squaredEuclidean": "ReduceSum",
    "euclidean": "ReduceSum",
    "cityBlock": "ReduceSum",
    "chebychev": "ReduceMax",
}


def clustering(columns: Columns, model: ET.Element) -> Result:
    """The cluster, its name and how far it is."""
    graph, measure = columns.graph, found(model, "ComparisonMeasure")
    kind = next((child.tag for child in measure if child.tag in _MEASURES), "")
    fields = [field for field in model.findall("ClusteringField") if field.get("isCenterField", "true") == "true"]
    compare = {field.get("compareFunction", measure.get("compareFunction", "absDiff")) for field in fields}
    if not kind or compare != {"absDiff"} or model.find("MissingValueWeights") is not None:
        raise CannotConvert("its distance is measured in a way that is not written as ONNX yet")
    clusters = model.findall("Cluster")
    centres = [[float(value) for value in listed(found(one, "Array"))] for one in clusters]
    table = graph.add("Concat", *(columns.get(field.get("field", "")).source for field in fields), axis=1)
    apart = graph.add("Sub", graph.add("Unsqueeze", table, graph.constant([1], np.int64)), graph.constant([centres]))
    size = graph.add("Mul", apart, apart) if kind.endswith("uclidean") else graph.add("Abs", apart)
    weights = [float(field.get("fieldWeight", "1")) for field in fields]
    weighted = graph.add("Mul", size, graph.constant([[weights]], np.float64))
    distances = graph.add(_MEASURES[kind], weighted, graph.constant([2], np.int64), keepdims=0)
    if kind == "euclidean":
        distances = graph.add("Sqrt", distances)
    nearest = graph.cast(graph.add("ArgMin", distances, axis=1, keepdims=1), np.float64)
    least = graph.add("ReduceMin", distances, graph.constant([1], np.int64), keepdims=1)
    gone = graph.add("IsNaN", graph.add("ReduceSum", distances, graph.constant([1], np.int64), keepdims=1))
    index = graph.add("Where", gone, graph.constant(np.nan, np.float64), nearest)
    words = tuple(one.get("id") or str(number) for number, one in enumerate(clusters, 1))
    names = tuple(one.get("name") or words[number] for number, one in enumerate(clusters))
    told = {"cluster": Column(index, words), "cluster_name": Column(index, names), "distance": Column(least)}
    return Result(words=words, index=index, usual=told)
