"""XGBoost boosters (.json, .ubj, .model) and pickled models of its scikit-learn API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.processors.base import Arrays, Metadata, Place, Tensor

REQUIREMENTS: tuple[str, ...] = ("xgboost>=1.6", "scikit-learn>=1.0")
SUFFIXES: tuple[str, ...] = (".json", ".ubj", ".model", ".bst", ".deprecated", ".pkl", ".pickle", ".joblib")
ALIASES: tuple[str, ...] = (r"xgboost(_\w+)?", r"xgb")

_PICKLES = (".pkl", ".pickle", ".joblib")
_SAFE = "save it with model.save_model('model.json'), which runs no code when it is read"


def create(place: Place) -> XgboostProcessor:
    return XgboostProcessor(place.threads, require_safe=place.require_safe)


class XgboostProcessor:
    """Classifiers answer ``label`` and ``probabilities``, the rest ``prediction``. A missing value is null (NaN)."""

    def __init__(self, threads: int, *, require_safe: bool) -> None:
        self._threads, self._require_safe = threads, require_safe
        self._booster: Any = None
        self._names: list[str] = []
        self._objective = ""
        self._range: tuple[int, int] | None = None
        self._metadata = Metadata()

    def load(self, path: Path, config: dict[str, Any]) -> None:
        if path.suffix in _PICKLES and self._require_safe:
            raise StartFailure(
                "unreadable-model",
                f"require_safe is set, and the pickle {path.name} can run code when it is read",
                _SAFE,
            )
        import xgboost

        self._booster = _unpickled(path) if path.suffix in _PICKLES else _booster(xgboost, path)
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

        table = np.concatenate([inputs[name] for name in self._names], axis=1) if self._names else inputs["input"]
        scores = self._booster.inplace_predict(table, validate_features=False, iteration_range=self._range or (0, 0))
        if self._objective == "binary:logistic":
            return {"label": (scores > 0.5).astype(np.int64), "probabilities": np.stack([1 - scores, scores], axis=1)}
        if self._objective == "multi:softprob":
            return {"label": scores.argmax(axis=1).astype(np.int64), "probabilities": scores}
        if self._objective in ("multi:softmax", "binary:hinge"):
            return {"label": scores.astype(np.int64)}
        return {"prediction": scores}

    def _describe(self, path: Path, version: str) -> None:
        learner = json.loads(self._booster.save_config())["learner"]
        self._objective = learner["objective"]["name"]
        self._names = list(self._booster.feature_names or ())
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
            inputs=tuple(Tensor(name, "FP32", (-1, 1)) for name in self._names) or (single,),
            outputs=outputs,
            platform="xgboost",
            rows=True,
            facts={
                "threads": {"xgboost": self._threads},
                "versions": {"xgboost": version},
                "unsafe_file": path.suffix in _PICKLES,
            },
        )


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
    from mlserve.runtime.pickles import read_pickle

    model = read_pickle(path)
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    if not hasattr(booster, "inplace_predict"):
        raise StartFailure(
            "unreadable-model",
            f"{path.name} holds a {type(model).__name__}, no XGBoost model",
            "check processor and model_path",
        )
    return booster
