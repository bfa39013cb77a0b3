"""scikit-learn estimators and pipelines, by skl2onnx: in single precision, else in double."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from mlserve.conversion import histograms
from mlserve.conversion.base import Attempt, CannotConvert, Hint, Source, brief
from mlserve.conversion.columns import column_hints, filled_by_choice, merged
from mlserve.conversion.forests import append, is_forest
from mlserve.conversion.graph import Graph
from mlserve.conversion.remembered import divides_missing, known_rows
from mlserve.conversion.sentences import sentences
from mlserve.runtime.frameworks.estimators import parts, vectorizers
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.processors.sklearn import SklearnProcessor

REQUIREMENTS: tuple[str, ...] = ("skl2onnx>=1.17", "onnx>=1.16", "onnxruntime>=1.17")
VERSION = "4"
CONVERTER = "skl2onnx"

OPSETS = {"": 18, "ai.onnx.ml": 3}
_WORDS = r"(?u)\b\w\w+\b"
_WORDS_OF_RE2 = r"[\p{L}\p{N}_]{2,}"
"""The same in ONNX Runtime's language, whose ``\\w`` knows English alone."""
_LOCALE = "C.UTF-8"
"""Knows the small letters of every script, and is there where no language is installed."""


def convert(source: Source) -> Iterator[Attempt]:
    """The estimator twice: most answers agree in single precision, which is faster; some only in double."""
    processor = cast(SklearnProcessor, source.native())
    tensors = processor.metadata().inputs
    names = [tensor.name for tensor in tensors]
    hints, rows = dict(column_hints(processor.estimator, names)), known_rows(processor.estimator, names)
    for one in tensors:  # texts of which no words are known are asked as sentences
        known = hints.get(one.name, ())
        if one.datatype == "BYTES" and not any(hint.values for hint in known):
            hints[one.name] = (Hint(sentences(vectorizers(processor.estimator))),)
    estimator = _with_empty_texts(processor.estimator) if processor.absent else processor.estimator
    exact = histograms.is_boosting(_last(estimator))
    for precision in ("double",) if exact else ("single", "double"):
        graph = _graph(estimator, tensors, precision, frame=processor.frame)
        # A cluster's distance is a difference of squares: of huge numbers scikit-learn itself keeps no digit of it.
        huge = not hasattr(_last(processor.estimator), "cluster_centers_")
        yield Attempt(graph, hints, rows=rows, huge=huge, notes=(f"computed in {precision} precision",))


def _graph(estimator: Any, tensors: tuple[Tensor, ...], precision: str, *, frame: bool) -> Any:
    """The whole model; a forest at its end is written by us, the steps before it by skl2onnx.

    Those compute in double precision, as scikit-learn does: a value that lies where a tree splits goes the same way.
    """
    steps = getattr(estimator, "steps", None)
    last = _last(estimator)
    exact = histograms.is_boosting(last)
    if not exact and (precision != "single" or not is_forest(last)):
        return _by_skl2onnx(estimator, tensors, precision, frame=frame)
    graph, number = Graph("model"), np.float64 if exact else np.float32
    if steps and len(steps) > 1:
        before = filled_by_choice(_by_skl2onnx(estimator[:-1], tensors, "double", frame=frame))
        names = [graph.input(one.name, _dtype(one), _sizes(one)) for one in tensors]
        table = graph.cast(graph.take(before, "before/", names)[0], number)
    else:
        names = [graph.input(one.name, number, _sizes(one)) for one in tensors]
        table = graph.add("Concat", *names, axis=1) if len(names) > 1 else names[0]
    (histograms.append if exact else append)(graph, last, table)
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
            (one.name, (data_types.StringTensorType if one.datatype == "BYTES" else number)(_sizes(one)))
            for one in tensors
        ]
    else:
        kinds = [("columns", number([None, len(tensors)]))]
    last = _last(estimator)
    options: dict[int, Any] = {id(estimator): {"zipmap": False}} if hasattr(last, "predict_proba") else {}
    if type(last).__name__ == "LinearSVC":  # its only options; without any, skl2onnx gives it one that it has not
        options[id(last)] = {"raw_scores": False}
    usual = [one for one in vectorizers(estimator) if getattr(one, "token_pattern", None) == _WORDS]
    options |= {id(one): {"tokenexp": _WORDS_OF_RE2, "locale": _LOCALE} for one in usual if hasattr(one, "vocabulary_")}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the parity tells what they warn of
            model = convert_sklearn(estimator, initial_types=kinds, options=options or None, target_opset=OPSETS)
    except (MissingConverter, MissingShapeCalculator) as exc:
        kinds = re.findall(r"sklearn[\w.]*\.(\w+)", str(exc)) or re.findall(r"'[\w.]*?(\w+)'", str(exc))
        raise CannotConvert(f"skl2onnx knows no {kinds[0] if kinds else 'such estimator'}") from exc
    except Exception as exc:
        raise CannotConvert(f"skl2onnx can't convert it ({brief(exc, 90)})") from exc
    return model if apart else merged(model, [tensor.name for tensor in tensors])


def _sizes(tensor: Tensor) -> list[int | None]:
    return [None, *(size if size > 0 else None for size in (tensor.shape or (-1, -1))[1:])]


def _with_empty_texts(estimator: Any) -> Any:
    """The same, with an empty text where it knows a missing one: ONNX has no other."""
    same = copy.deepcopy(estimator)
    for part in parts(same):
        if type(part).__name__ == "SimpleImputer" and any(isinstance(value, str) for value in part.statistics_):
            part.missing_values = part.missing_values if isinstance(part.missing_values, str) else ""
        categories = getattr(part, "categories_", None)
        for known in categories if isinstance(categories, list) else ():
            if known.dtype.kind == "O" and any(isinstance(word, str) for word in known):
                known[:] = ["" if not isinstance(word, str) else word for word in known]
    return same
