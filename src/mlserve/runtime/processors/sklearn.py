"""scikit-learn estimators and pipelines, from pickle, joblib or skops files."""

from __future__ import annotations

import json
import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.frameworks.pickles import read_pickle
from mlserve.runtime.frameworks.safety import PICKLE, refused
from mlserve.runtime.frameworks.tabular import class_words
from mlserve.runtime.processors.base import Arrays, Metadata, Place, Tensor

REQUIREMENTS: tuple[str, ...] = ("scikit-learn>=1.0", "joblib>=1.1", "skops>=0.8")
SUFFIXES: tuple[str, ...] = (".pkl", ".pickle", ".joblib", ".skops")
ALIASES: tuple[str, ...] = (r"sklearn(_\w+)?", r"scikit-learn", r"scikit_learn")

_SAFE = "save it with skops (skops.io.dump(model, 'model.skops')), which runs no code when it is read"
_GUARDED = [0, 13]
_AGAIN = "save it again with a newer scikit-learn and skops 0.13 or later"
_FRAMES = ("ColumnTransformer", "FunctionTransformer")


def create(place: Place) -> SklearnProcessor:
    return SklearnProcessor(place.threads, require_safe=place.require_safe)


class SklearnProcessor:
    """Classifiers answer ``label`` and ``probabilities``, regressors ``prediction``, transformers ``output``."""

    def __init__(self, threads: int, *, require_safe: bool) -> None:
        self._threads, self._require_safe = threads, require_safe
        self._model: Any = None
        self._names: list[str] = []
        self._answer, self._probabilities, self._frame = "prediction", False, False
        self._metadata = Metadata()

    def load(self, path: Path, config: dict[str, Any]) -> None:
        if self._require_safe and path.suffix != ".skops":
            raise refused(path, PICKLE, _SAFE)
        import sklearn

        # columns are put in the model's own order here, so that its wish for names is met
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        if self._require_safe:
            _require_guards(path)
        self._model = _read_skops(path, config) if path.suffix == ".skops" else read_pickle(path)
        if not hasattr(self._model, "predict") and not hasattr(self._model, "transform"):
            raise StartFailure(
                "unreadable-model",
                f"{path.name} holds a {type(self._model).__name__}, which has no predict()",
                "save the estimator itself",
            )
        self._describe(path, sklearn.__version__)

    def metadata(self) -> Metadata:
        return self._metadata

    @property
    def estimator(self) -> Any:
        """The estimator itself, for who converts it."""
        return self._model

    @property
    def frame(self) -> bool:
        """It is asked with columns by their names."""
        return self._frame

    def predict(self, inputs: Arrays) -> Arrays:
        import numpy as np

        table = self._table(inputs, np)
        if self._answer == "output":
            return {"output": _dense(self._model.transform(table), np)}
        outputs = {self._answer: np.asarray(self._model.predict(table))}
        if self._probabilities:
            outputs["probabilities"] = self._model.predict_proba(table)
        return outputs

    def _table(self, inputs: Arrays, np: Any) -> Any:
        if not self._names:
            return inputs["input"]
        columns = [inputs[name] for name in self._names]
        if self._frame:
            pandas = import_module("pandas")  # only where the model was fitted with its frames
            return pandas.DataFrame({name: column[:, 0] for name, column in zip(self._names, columns, strict=True)})
        if any(column.dtype.kind in "OUS" for column in columns):
            columns = [column.astype(np.object_) for column in columns]
        return np.concatenate(columns, axis=1)

    def _prediction(self) -> Tensor:
        """What a regressor gives is seen best by asking it; one that refuses zeros may give anything."""
        import numpy as np

        from mlserve.runtime.tensors import datatype_of

        try:
            answer = np.asarray(self._model.predict(np.zeros((1, int(self._model.n_features_in_)))))
        except (AttributeError, TypeError, ValueError):
            return Tensor("prediction", "", None)
        return Tensor("prediction", datatype_of(answer), (-1, *answer.shape[1:]))

    def _describe(self, path: Path, version: str) -> None:
        model = self._model
        self._names = [str(name) for name in getattr(model, "feature_names_in_", ())]
        self._frame = bool(self._names) and _wants_frame(model) and _have_pandas()
        texts = _text_columns(model)
        if self._names:
            inputs = tuple(Tensor(name, texts.get(name, "FP64"), (-1, 1)) for name in self._names)
        else:
            inputs = (Tensor("input", "FP64" if not texts else "", (-1, int(getattr(model, "n_features_in_", -1)))),)
        self._metadata = Metadata(
            inputs=inputs,
            outputs=self._outputs(),
            platform="sklearn",
            rows=True,
            facts={
                "threads": {"sklearn": self._threads},
                "versions": {"scikit-learn": version},
                "unsafe_file": path.suffix != ".skops",
            },
        )

    def _outputs(self) -> tuple[Tensor, ...]:
        model = self._model
        if not hasattr(model, "predict"):
            self._answer = "output"
            return (Tensor("output", "FP64", (-1, -1)),)
        classes = getattr(model, "classes_", None)
        self._answer = "prediction" if classes is None else "label"
        if classes is None:
            return (self._prediction(),)
        single = not isinstance(classes, list)
        label = Tensor("label", _datatype(classes) if single else "", (-1,) if single else (-1, len(classes)))
        self._probabilities = single and hasattr(model, "predict_proba")
        if not self._probabilities:
            return (label,)
        return label, Tensor("probabilities", "FP64", (-1, len(classes)), labels=class_words(classes))


def _require_guards(path: Path) -> None:
    """An old scikit-learn, which a file may ask for, brings an old skops, that a file can talk into running code."""
    import skops

    numbers = [int(part) for part in skops.__version__.split(".")[:2] if part.isdecimal()]
    if numbers < _GUARDED:
        raise refused(path, f"needs skops {skops.__version__}, which can be made to run code", _AGAIN)


def _read_skops(path: Path, config: dict[str, Any]) -> Any:
    import zipfile

    from skops import io

    trusted = list(config.get("trusted") or ())
    try:
        unknown = [name for name in io.get_untrusted_types(file=path) if name not in trusted]
        if unknown:
            raise StartFailure(
                "unreadable-model",
                f"{path.name} holds types that skops does not know: {', '.join(unknown)}",
                f'if you trust them: "model_config": {json.dumps({"trusted": unknown})}',
            )
        return io.load(path, trusted=trusted)
    except (zipfile.BadZipFile, KeyError, EOFError, ValueError) as exc:
        raise StartFailure(
            "corrupt-model", f"{path.name} is not a whole skops file: {exc}", "save or copy the model again"
        ) from exc


def _datatype(classes: Any) -> str:
    return {"i": "INT64", "u": "INT64", "f": "FP64", "b": "BOOL"}.get(classes.dtype.kind, "BYTES")


def _steps(model: Any) -> list[Any]:
    """The model and what is inside it: pipeline steps, column transformers."""
    found = [model]
    for step in getattr(model, "steps", ()):
        found += _steps(step[1])
    for part in getattr(model, "transformers_", ()):
        found += _steps(part[1]) if not isinstance(part[1], str) else []
    return found


def _wants_frame(model: Any) -> bool:
    return any(
        type(step).__name__ in _FRAMES or not type(step).__module__.startswith("sklearn.") for step in _steps(model)
    )


def _have_pandas() -> bool:
    return find_spec("pandas") is not None


def _text_columns(model: Any) -> dict[str, str]:
    """Columns that an encoder learned text categories of; any other column is a number."""
    found: dict[str, str] = {}
    for step in _steps(model):
        for _name, transformer, columns in getattr(step, "transformers_", ()):
            for part in _steps(transformer) if not isinstance(transformer, str) else ():
                categories = getattr(part, "categories_", None)
                if isinstance(categories, list) and len(categories) == len(columns):
                    found |= {
                        str(c): "BYTES"
                        for c, known in zip(columns, categories, strict=True)
                        if known.dtype.kind in "OU"
                    }
    return found


def _dense(table: Any, np: Any) -> Any:
    return table.toarray() if hasattr(table, "toarray") else np.asarray(table)
