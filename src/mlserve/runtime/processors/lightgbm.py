"""LightGBM boosters as text (.txt, .lgb) and pickled models of its scikit-learn API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.frameworks.safety import PICKLES, refuse_pickle
from mlserve.runtime.frameworks.tabular import category_type, class_words, coded, label, matrix, zeros
from mlserve.runtime.processors.base import Arrays, Metadata, Place, Tensor

REQUIREMENTS: tuple[str, ...] = ("lightgbm>=3.3", "scikit-learn>=1.0")
SUFFIXES: tuple[str, ...] = (".txt", ".lgb", ".model", ".pkl", ".pickle", ".joblib")
ALIASES: tuple[str, ...] = (r"lightgbm(_\w+)?", r"lgbm?")

_SAFE = "save it with model.booster_.save_model('model.txt'), which runs no code when it is read"
_ENDS = {"tree": "end of trees", "\nparameters:": "end of parameters"}
"""How a part of the text begins, and how it ends."""


def create(place: Place) -> LightgbmProcessor:
    return LightgbmProcessor(place)


class LightgbmProcessor:
    """Classifiers answer ``label`` and ``probabilities``, the rest ``prediction``. A missing value is null (NaN)."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._booster: Any = None
        self._names: list[str] = []
        self._categories: dict[str, dict[Any, float]] = {}
        self._classes: Any = None
        self._metadata = Metadata()

    def load(self, path: Path, config: dict[str, Any]) -> None:
        refuse_pickle(path, self._place.require_safe, _SAFE)
        import lightgbm
        import numpy as np

        model = _unpickled(path) if path.suffix in PICKLES else _booster(lightgbm, path)
        self._booster = getattr(model, "booster_", model)
        count = _classes(self._booster)
        known = getattr(model, "classes_", None)
        self._classes = known if known is not None else np.arange(count) if count else None
        self._describe(path, lightgbm.__version__)

    def metadata(self) -> Metadata:
        return self._metadata

    @property
    def estimator(self) -> Any:
        """The library's own model."""
        return self._booster

    def predict(self, inputs: Arrays) -> Arrays:
        import numpy as np

        table = matrix({**inputs, **coded(inputs, self._categories)}, self._names)
        if not len(table):  # LightGBM refuses an empty table
            return {tensor.name: zeros(tensor, 0) for tensor in self._metadata.outputs}
        scores = self._booster.predict(table, num_threads=self._place.threads)
        if self._classes is None:
            return {"prediction": scores}
        if scores.ndim == 1:
            scores = np.stack([1 - scores, scores], axis=1)
        return {"label": np.asarray(self._classes)[scores.argmax(axis=1)], "probabilities": scores}

    def _describe(self, path: Path, version: str) -> None:
        names = [str(name) for name in self._booster.feature_name()]
        plain = names == [f"Column_{place}" for place in range(len(names))]
        self._categories = _categories(self._booster, names)
        self._names = [] if plain and not self._categories else names
        known = self._categories
        columns = tuple(
            Tensor(name, category_type(known[name]) if name in known else "FP64", (-1, 1)) for name in self._names
        )
        self._metadata = Metadata(
            inputs=columns or (Tensor("input", "FP64", (-1, len(names))),),
            outputs=self._outputs(),
            platform="lightgbm",
            rows=True,
            facts={
                "threads": {"lightgbm": self._place.threads},
                "versions": {"lightgbm": version},
                "unsafe_file": path.suffix in PICKLES,
            },
        )

    def _outputs(self) -> tuple[Tensor, ...]:
        if self._classes is None:
            several = self._booster.num_model_per_iteration()
            return (Tensor("prediction", "FP64", (-1,) if several == 1 else (-1, several)),)
        words = class_words(self._classes)
        return label(self._classes), Tensor("probabilities", "FP64", (-1, len(self._classes)), labels=words)


def _booster(lightgbm: Any, path: Path) -> Any:
    """The booster of a whole file: LightGBM itself may crash on one that was cut."""
    text = path.read_text(errors="replace")
    cut = [end for begin, end in _ENDS.items() if begin in text and end not in text]
    if cut or not text.startswith("tree"):
        where = f'it has no "{cut[0]}"' if cut else 'it does not begin with "tree"'
        raise StartFailure(
            "corrupt-model",
            f"{path.name} ({path.stat().st_size} bytes) is not a whole LightGBM model: {where}",
            "save it with booster.save_model('model.txt'), and copy it again",
        )
    try:
        return lightgbm.Booster(model_str=text)
    except (lightgbm.basic.LightGBMError, ValueError) as exc:
        raise StartFailure(
            "corrupt-model", f"{path.name} is not a LightGBM model that can be read: {exc}", "save or copy it again"
        ) from exc


def _unpickled(path: Path) -> Any:
    from mlserve.runtime.frameworks.pickles import read_pickle_of

    return read_pickle_of(
        "LightGBM", path, lambda model: hasattr(getattr(model, "booster_", model), "num_model_per_iteration")
    )


def _objective(booster: Any) -> str:
    """The objective's word, as the model's text has it."""
    for line in booster.model_to_string(num_iteration=1).splitlines():
        if line.startswith("objective="):
            return str(line.partition("=")[2].split()[0])
    return ""


def _classes(booster: Any) -> int:
    """How many classes it tells apart; 0: it is no classifier."""
    objective = _objective(booster)
    if objective in ("binary", "cross_entropy"):
        return 2 if objective == "binary" else 0
    return int(booster.num_model_per_iteration()) if objective.startswith("multiclass") else 0


def _categories(booster: Any, names: list[str]) -> dict[str, dict[Any, float]]:
    """Column → category → code, of the columns that were pandas categories; in the order of the columns."""
    text = booster.model_to_string(num_iteration=1)
    infos = "".join(line for line in text.splitlines() if line.startswith("feature_infos="))
    ranges = infos.removeprefix("feature_infos=").split(" ")
    marked = [name for name, info in zip(names, ranges, strict=False) if info != "none" and not info.startswith("[")]
    listed = text.rpartition("\npandas_categorical:")[2].strip()
    known = json.loads(listed) if listed.startswith("[") else []
    if len(known) != len(marked):
        return {}
    return {
        name: {value: float(code) for code, value in enumerate(values)}
        for name, values in zip(marked, known, strict=True)
    }
