"""scikit-learn estimators and pipelines, by skl2onnx: in single precision, else in double."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from mlserve.conversion.base import Attempt, CannotConvert, Source
from mlserve.conversion.columns import column_hints, filled_by_choice, merged
from mlserve.conversion.forests import append, is_forest
from mlserve.conversion.graph import Graph
from mlserve.conversion.remembered import divides_missing, known_rows
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.processors.sklearn import SklearnProcessor

REQUIREMENTS: tuple[str, ...] = ("skl2onnx>=1.17", "onnx>=1.16", "onnxruntime>=1.17")
VERSION = "2"
CONVERTER = "skl2onnx"

OPSETS = {"": 18, "ai.onnx.ml": 3}


def convert(source: Source) -> Iterator[Attempt]:
    """The estimator twice: most answers agree in single precision, which is faster; some only in double."""
    processor = cast(SklearnProcessor, source.native())
    tensors = processor.metadata().inputs
    names = [tensor.name for tensor in tensors]
    hints, rows = column_hints(processor.estimator, names), known_rows(processor.estimator, names)
    for precision in ("single", "double"):
        graph = _graph(processor.estimator, tensors, precision, frame=processor.frame)
        # A cluster's distance is a difference of squares: of huge numbers scikit-learn itself keeps no digit of it.
        huge = not hasattr(_last(processor.estimator), "cluster_centers_")
        yield Attempt(graph, hints, rows=rows, huge=huge, notes=(f"computed in {precision} precision",))


def _graph(estimator: Any, tensors: tuple[Tensor, ...], precision: str, *, frame: bool) -> Any:
    """The whole model; a forest at its end is written by us, the steps before it by skl2onnx.

    Those compute in double precision, as scikit-learn does: a value that lies where a tree splits goes the same way.
    """
    steps = getattr(estimator, "steps", None)
    last = _last(estimator)
    if precision != "single" or not is_forest(last):
        return _by_skl2onnx(estimator, tensors, precision, frame=frame)
    graph = Graph("model")
    if steps and len(steps) > 1:
        before = filled_by_choice(_by_skl2onnx(estimator[:-1], tensors, "double", frame=frame))
        names = [graph.input(one.name, _dtype(one), [None, _width(one)]) for one in tensors]
        table = graph.cast(graph.take(before, "before/", names)[0], np.float32)
    else:
        names = [graph.input(one.name, np.float32, [None, _width(one)]) for one in tensors]
        table = graph.add("Concat", *names, axis=1) if len(names) > 1 else names[0]
    append(graph, last, table)
    return graph.model()


def _last(estimator: Any) -> Any:
    """What answers: the last step of a pipeline, or the estimator itself."""
    steps = getattr(estimator, "steps", None)
    return steps[-1][1] if steps else estimator


def _dtype(tensor: Tensor) -> Any:
    return np.dtype(np.object_) if tensor.datatype == "BYTES" else np.dtype(np.float64)


def _by_skl2onnx(estimator: Any, tensors: tuple[Tensor, ...], precision: str, *, frame: bool) -> Any:
    from skl2onnx import convert_sklearn
    from skl2onnx.common import data_types
    from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator

    if divides_missing(estimator):  # skl2onnx would look for such a threshold without an end
        raise CannotConvert("skl2onnx knows no tree that divides missing values from all others")
    number = data_types.FloatTensorType if precision == "single" else data_types.DoubleTensorType
    if any(not tensor.datatype for tensor in tensors):
        raise CannotConvert("its columns are of several types and have no names")
    apart = frame or any(tensor.datatype == "BYTES" for tensor in tensors) or len(tensors) == 1
    if apart:
        kinds = [
            (one.name, (data_types.StringTensorType if one.datatype == "BYTES" else number)([None, _width(one)]))
            for one in tensors
        ]
    else:
        kinds = [("columns", number([None, len(tensors)]))]
    last = _last(estimator)
    options = {id(estimator): {"zipmap": False}} if hasattr(last, "predict_proba") else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the parity tells what they warn of
            model = convert_sklearn(estimator, initial_types=kinds, options=options, target_opset=OPSETS)
    except (MissingConverter, MissingShapeCalculator) as exc:
        kind = str(exc).split("'")[1::2]
        raise CannotConvert(f"skl2onnx knows no {kind[0].rpartition('.')[2] if kind else 'such estimator'}") from exc
    except Exception as exc:
        raise CannotConvert(f"skl2onnx can't convert it ({type(exc).__name__}: {str(exc)[:200]})") from exc
    return model if apart else merged(model, [tensor.name for tensor in tensors])


def _width(tensor: Tensor) -> int | None:
    size = (tensor.shape or (-1, -1))[-1]
    return size if size > 0 else None
