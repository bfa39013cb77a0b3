"""CatBoost models in its own formats: .cbm and .json. Categories go in as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.frameworks.safety import PICKLES, refuse_pickle
from mlserve.runtime.frameworks.tabular import class_words, label, matrix, zeros
from mlserve.runtime.processors.base import Arrays, Metadata, Place, Tensor

REQUIREMENTS: tuple[str, ...] = ("catboost>=1.1",)
SUFFIXES: tuple[str, ...] = (".cbm", ".json", ".pkl", ".pickle", ".joblib")
ALIASES: tuple[str, ...] = (r"catboost(_\w+)?",)

_SAFE = "save it with model.save_model('model.cbm'), which runs no code when it is read"


def create(place: Place) -> CatboostProcessor:
    return CatboostProcessor(place)


class CatboostProcessor:
    """Classifiers answer ``label`` and ``probabilities``, the rest ``prediction``. A missing number is null (NaN)."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._model: Any = None
        self._names: list[str] = []
        self._texts: frozenset[int] = frozenset()
        self._classes: Any = None
        self._metadata = Metadata()

    def load(self, path: Path, config: dict[str, Any]) -> None:
        refuse_pickle(path, self._place.require_safe, _SAFE)
        import catboost
        import numpy as np

        self._model = _unpickled(path) if path.suffix in PICKLES else _read(catboost, path)
        classes = np.asarray(self._model.classes_)
        self._classes = classes if len(classes) else None
        self._describe(path, catboost.__version__)

    def metadata(self) -> Metadata:
        return self._metadata

    @property
    def estimator(self) -> Any:
        """The library's own model."""
        return self._model

    def predict(self, inputs: Arrays) -> Arrays:
        table = self._table(inputs)
        if not len(table):
            return {tensor.name: zeros(tensor, 0) for tensor in self._metadata.outputs}
        kind = "RawFormulaVal" if self._classes is None else "Probability"
        scores = self._model.predict(table, prediction_type=kind, thread_count=self._place.threads)
        if self._classes is None:
            return {"prediction": scores}
        return {"label": self._classes[scores.argmax(axis=1)], "probabilities": scores}

    def _table(self, inputs: Arrays) -> Any:
        if not self._texts:
            return matrix(inputs, self._names)
        import numpy as np

        columns = [
            _words(inputs[name]) if place in self._texts else inputs[name].astype(np.object_)
            for place, name in enumerate(self._names)
        ]
        return np.concatenate(columns, axis=1)

    def _describe(self, path: Path, version: str) -> None:
        model = self._model
        names = [str(name) for name in model.feature_names_]
        self._texts = frozenset((*model.get_cat_feature_indices(), *model.get_text_feature_indices()))
        plain = names == [str(place) for place in range(len(names))] and not self._texts
        self._names = [] if plain else names
        columns = tuple(
            Tensor(name, "BYTES" if place in self._texts else "FP64", (-1, 1)) for place, name in enumerate(self._names)
        )
        inputs = columns or (Tensor("input", "FP64", (-1, len(names))),)
        self._metadata = Metadata(
            inputs=inputs,
            outputs=self._outputs(inputs),
            platform="catboost",
            rows=True,
            facts={
                "threads": {"catboost": self._place.threads},
                "versions": {"catboost": version},
                "unsafe_file": path.suffix in PICKLES,
            },
        )

    def _outputs(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        if self._classes is None:
            return (Tensor("prediction", "FP64", (-1, *self._width(inputs))),)
        words = class_words(self._classes)
        return label(self._classes), Tensor("probabilities", "FP64", (-1, len(self._classes)), labels=words)

    def _width(self, inputs: tuple[Tensor, ...]) -> tuple[int, ...]:
        """Of one prediction, seen by asking for one: nothing else tells."""
        row = self._table({tensor.name: zeros(tensor, 1) for tensor in inputs})
        return tuple(self._model.predict(row, prediction_type="RawFormulaVal", thread_count=1).shape[1:])


def _read(catboost: Any, path: Path) -> Any:
    model = catboost.CatBoost()
    try:
        if path.suffix == ".json":
            json.loads(path.read_bytes())  # CatBoost itself takes a file that was cut for a smaller model
        model.load_model(str(path), format="json" if path.suffix == ".json" else "cbm")
    except (catboost.CatBoostError, ValueError, TypeError) as exc:
        text = " ".join(str(exc).split())[:300]
        raise StartFailure(
            "corrupt-model",
            f"{path.name} ({path.stat().st_size} bytes) is not a whole CatBoost model: {text}",
            "save it with model.save_model('model.cbm'), and copy it again",
        ) from exc
    return model


def _unpickled(path: Path) -> Any:
    from mlserve.runtime.frameworks.pickles import read_pickle_of

    return read_pickle_of("CatBoost", path, lambda model: hasattr(model, "get_cat_feature_indices"))


def _words(column: Any) -> Any:
    """Categories as text: bytes are what came over the wire."""
    import numpy as np

    words = [value.decode(errors="replace") if isinstance(value, bytes) else str(value) for value in column.ravel()]
    return np.array(words, dtype=np.object_).reshape(column.shape)
