"""Read pickle and joblib files, and say what is wrong with a broken one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlserve.runtime.failures import StartFailure


def read_pickle(path: Path) -> Any:
    """An object from a pickle or joblib file. What its classes need to import is the caller's to have."""
    import lzma
    import pickle
    import zlib

    read = _reader()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # versions that differ are told by the runtime itself
            return read(path)
    except ModuleNotFoundError:
        raise  # a missing library is explained by its name
    except AttributeError as exc:
        raise StartFailure(
            "load-exception",
            f"{path.name} needs code that is not here: {exc}",
            "classes of your own must lie in a module that is installed with the model, not in the training script",
        ) from exc
    except (
        pickle.UnpicklingError,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        IndexError,
        KeyError,
        ValueError,
        UnicodeDecodeError,
    ) as exc:
        size = path.stat().st_size
        raise StartFailure(
            "corrupt-model",
            f"{path.name} ({size} bytes) is not a whole pickle: {type(exc).__name__}: {exc}",
            "save or copy the model again",
        ) from exc


def read_pickle_of(library: str, path: Path, holds: Callable[[Any], bool]) -> Any:
    """The same where it is a model of that library (a word for people): ``holds`` knows one."""
    model = read_pickle(path)
    if holds(model):
        return model
    raise StartFailure(
        "unreadable-model",
        f"{path.name} holds a {type(model).__name__}, no {library} model",
        "check processor and model_path",
    )


def _reader() -> Callable[[Path], Any]:
    """joblib's, which reads plain pickles too; where it is not here, only those can be read."""
    try:
        import joblib
    except ModuleNotFoundError:
        return _plain
    read: Callable[[Path], Any] = joblib.load
    return read


def _plain(path: Path) -> Any:
    import pickle

    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301 - the user's own model; require_safe refuses it before
