"""scikit-learn estimators and pipelines, from pickle, joblib or skops files."""

from __future__ import annotations

import json
import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.frameworks.estimators import chooses_by_name, takes_texts, text_columns, wants_frame
from mlserve.runtime.frameworks.pickles import read_pickle
from mlserve.runtime.frameworks.safety import PICKLE, refused
from mlserve.runtime.frameworks.tabular import class_words, zeros
from mlserve.runtime.frameworks.told_inputs import told_inputs
from mlserve.runtime.processors.base import Arrays, Metadata, Place, Tensor

REQUIREMENTS: tuple[str, ...] = ("scikit-learn>=1.0", "joblib>=1.1", "skops>=0.8")
SUFFIXES: tuple[str, ...] = (".pkl", ".pickle", ".joblib", ".skops")
ALIASES: tuple[str, ...] = (r"sklearn(_\w+)?", r"scikit-learn", r"scikit_learn")

_SAFE = "save it with skops (skops.io.dump(model, 'model.skops')), which runs no code when it is read"
_GUARDED = [0, 13]
_AGAIN = "save it again with a newer scikit-learn and skops 0.13 or later"


def create(place: Place) -> SklearnProcessor:
    return SklearnProcessor(place.threads, require_safe=place.require_safe)


class SklearnProcessor:
    """Classifiers answer ``label`` and ``probabilities``, regressors ``prediction``, transformers ``output``."""

    def __init__(self, threads: int, *, require_safe: bool) -> None:
        self._threads, self._require_safe = threads, require_safe
        self._model: Any = None
        self._answer, self._probabilities = "prediction", False
        self._texts, self._frame = False, False
        self._absent: dict[str, Any] = {}
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
        self._describe(path, config, sklearn.__version__)

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

    @property
    def texts(self) -> bool:
        """It is asked with texts, one a row, and no columns."""
        return self._texts

    @property
    def absent(self) -> dict[str, Any]:
        """Columns of words → what the estimator is given for an empty one."""
        return self._absent

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
        """What the estimator is given: texts, a frame or one array with all columns."""
        columns = {
            tensor.name: _words(inputs[tensor.name], self._absent.get(tensor.name, ""), np)
            if tensor.datatype == "BYTES"
            else inputs[tensor.name]
            for tensor in self._metadata.inputs
        }
        if self._texts:
            return next(iter(columns.values())).ravel()
        if self._frame:
            pandas = import_module("pandas")  # only where the model was fitted with its frames
            return pandas.DataFrame({name: column[:, 0] for name, column in columns.items()})
        if len(columns) == 1:
            return next(iter(columns.values()))
        if any(column.dtype.kind in "OUS" for column in columns.values()):
            columns = {name: column.astype(np.object_) for name, column in columns.items()}
        return np.concatenate(list(columns.values()), axis=1)

    def _prediction(self) -> Tensor:
        """What a regressor gives is seen best by asking it; one that refuses zeros may give anything."""
        import numpy as np

        from mlserve.runtime.tensors import datatype_of

        try:
            table = self._table({tensor.name: zeros(tensor, 1) for tensor in self._metadata.inputs}, np)
            answer = np.asarray(self._model.predict(table))
        except (AttributeError, KeyError, TypeError, ValueError):
            return Tensor("prediction", "", None)
        return Tensor("prediction", datatype_of(answer), (-1, *answer.shape[1:]))

    def _describe(self, path: Path, config: dict[str, Any], version: str) -> None:
        inputs = self._inputs(config)
        self._metadata = Metadata(inputs=inputs)
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

    def _inputs(self, config: dict[str, Any]) -> tuple[Tensor, ...]:
        model = self._model
        names = [str(name) for name in getattr(model, "feature_names_in_", ())]
        count = int(getattr(model, "n_features_in_", -1))
        self._texts = not names and takes_texts(model)
        self._frame = bool(names) and wants_frame(model) and (_have_pandas() or chooses_by_name(model))
        if self._frame:
            import_module("pandas")  # missing: that is told by its name
        if self._texts:
            return told_inputs(config, (Tensor("input", "BYTES", (-1,)),), named=False)
        self._absent = text_columns(model, names or [str(place) for place in range(count)])
        if not names:
            datatype = "FP64" if not self._absent else "BYTES" if len(self._absent) == count else ""
            self._absent = {}
            return told_inputs(config, (Tensor("input", datatype, (-1, count)),), named=False)
        own = tuple(
            Tensor(name, "BYTES", (-1, 1), missing=True) if name in self._absent else Tensor(name, "FP64", (-1, 1))
            for name in names
        )
        return told_inputs(config, own, named=True)

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


def _have_pandas() -> bool:
    return find_spec("pandas") is not None


def _words(column: Any, absent: Any, np: Any) -> Any:
    """Texts as the estimator knows them: no bytes, and its own mark where there is none."""
    words = [word.decode(errors="replace") if isinstance(word, bytes) else word for word in column.ravel().tolist()]
    if not isinstance(absent, str) or absent:
        words = [absent if word == "" else word for word in words]
    made = np.empty(len(words), np.object_)
    made[:] = words
    return made.reshape(column.shape)


def _dense(table: Any, np: Any) -> Any:
    return table.toarray() if hasattr(table, "toarray") else np.asarray(table)
