"""XGBoost boosters (.json, .ubj, .model) and pickled models of its scikit-learn API."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.frameworks.safety import PICKLES, refuse_pickle
from mlserve.runtime.frameworks.tabular import category_type, coded, matrix
from mlserve.runtime.processors.base import Arrays, Metadata, Place, Tensor

REQUIREMENTS: tuple[str, ...] = ("xgboost>=1.6", "scikit-learn>=1.0")
SUFFIXES: tuple[str, ...] = (".json", ".ubj", ".model", ".bst", ".deprecated", ".pkl", ".pickle", ".joblib")
ALIASES: tuple[str, ...] = (r"xgboost(_\w+)?", r"xgb")

_SAFE = "save it with model.save_model('model.json'), which runs no code when it is read"


def create(place: Place) -> XgboostProcessor:
    return XgboostProcessor(place.threads, require_safe=place.require_safe)


class XgboostProcessor:
    """Classifiers answer ``label`` and ``probabilities``, the rest ``prediction``. A missing value is null (NaN)."""

    def __init__(self, threads: int, *, require_safe: bool) -> None:
        self._threads, self._require_safe = threads, require_safe
        self._booster: Any = None
        self._names: list[str] = []
        self._categories: dict[str, dict[Any, float]] = {}
        self._objective = ""
        self._range: tuple[int, int] | None = None
        self._metadata = Metadata()

    def load(self, path: Path, config: dict[str, Any]) -> None:
        refuse_pickle(path, self._require_safe, _SAFE)
        import xgboost

        self._booster = _unpickled(path) if path.suffix in PICKLES else _booster(xgboost, path)
        self._booster.set_param({"nthread": self._threads})
        self._describe(path, xgboost.__version__)

    def metadata(self) -> Metadata:
        return self._metadata

    @property
    def estimator(self) -> Any:
        """The library's own model."""
        return self._booster

    def predict(self, inputs: Arrays) -> Arrays:
        import numpy as np

        table = matrix({**inputs, **coded(inputs, self._categories)}, self._names)
        scores = self._booster.inplace_predict(table, validate_features=False, iteration_range=self._range or (0, 0))
        if self._objective == "binary:logistic":
            return {"label": (scores > 0.5).astype(np.int64), "probabilities": np.stack([1 - scores, scores], axis=1)}
        if self._objective == "multi:softprob":
            return {"label": scores.argmax(axis=1).astype(np.int64), "probabilities": scores}
        if self._objective in ("multi:softmax", "binary:hinge"):
            return {"label": scores.astype(np.int64)}
        return {"prediction": scores}

    def _column(self, name: str) -> Tensor:
        codes = self._categories.get(name)
        return Tensor(name, category_type(codes) if codes else "FP32", (-1, 1))

    def _describe(self, path: Path, version: str) -> None:
        learner = json.loads(self._booster.save_config())["learner"]
        self._objective = learner["objective"]["name"]
        self._names = list(self._booster.feature_names or ())
        self._categories = _categories(self._booster) if "c" in (self._booster.feature_types or ()) else {}
        best = self._booster.attr("best_iteration")
        self._range = (0, int(best) + 1) if best is not None else None
        classes = max(2, int(learner["learner_model_param"].get("num_class") or 0))
        targets = int(learner["learner_model_param"].get("num_target") or 1)
        label = Tensor("label", "INT64", (-1,))
        outputs: tuple[Tensor, ...] = (Tensor("prediction", "FP32", (-1,) if targets == 1 else (-1, targets)),)
        if self._objective in ("binary:logistic", "multi:softprob"):
            outputs = (label, Tensor("probabilities", "FP32", (-1, classes)))
        elif self._objective in ("multi:softmax", "binary:hinge"):
            outputs = (label,)
        single = Tensor("input", "FP32", (-1, self._booster.num_features()))
        self._metadata = Metadata(
            inputs=tuple(self._column(name) for name in self._names) or (single,),
            outputs=outputs,
            platform="xgboost",
            rows=True,
            facts={
                "threads": {"xgboost": self._threads},
                "versions": {"xgboost": version},
                "unsafe_file": path.suffix in PICKLES,
            },
        )


def _categories(booster: Any) -> dict[str, dict[Any, float]]:
    """Column → category → code, of the columns of categories, where the model keeps their words (3.1 and later).

    Where it doesn't, such a column takes the codes themselves.
    """
    model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"].get("model", {})
    columns = zip(booster.feature_names or (), model.get("cats", {}).get("enc") or (), strict=False)
    known = {name: _words(column) for name, column in columns}
    return {name: {word: float(code) for code, word in enumerate(words)} for name, words in known.items() if words}


def _words(column: dict[str, Any]) -> list[Any]:
    """The categories of one column: texts as bytes with offsets, else numbers."""
    values, offsets = column.get("values") or [], column.get("offsets") or []
    if not offsets:
        return list(values)
    text = bytes(value % 256 for value in values)
    return [text[start:end].decode(errors="replace") for start, end in pairwise(offsets)]


def _booster(xgboost: Any, path: Path) -> Any:
    booster = xgboost.Booster()
    try:
        booster.load_model(path)
    except (xgboost.core.XGBoostError, ValueError, TypeError) as exc:
        text = " ".join(str(exc).split("Stack trace")[0].split())[:300]
        raise StartFailure(
            "corrupt-model",
            f"{path.name} ({path.stat().st_size} bytes) is not a whole XGBoost model: {text}",
            "save or copy the model again",
        ) from exc
    return booster


def _unpickled(path: Path) -> Any:
    from mlserve.runtime.frameworks.pickles import read_pickle_of

    model = read_pickle_of("XGBoost", path, _is_model)
    return model.get_booster() if hasattr(model, "get_booster") else model


def _is_model(model: Any) -> bool:
    return hasattr(model, "get_booster") or hasattr(model, "inplace_predict")
