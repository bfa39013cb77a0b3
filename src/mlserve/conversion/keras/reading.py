"""A Keras file as it lies on the disk: the configuration of its layers, and their weights. Nothing in it is run."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlserve.conversion.base import CannotConvert

Weights = Callable[[str], list[Any]]
"""The arrays of a layer, by its name, in the order that Keras keeps them in."""


@dataclass(frozen=True, slots=True)
class Saved:
    """One model, or a model that is a layer of another."""

    kind: str
    config: dict[str, Any]
    weights: Weights
    inside: Callable[[str], Any]
    """The weights of a layer that is itself a model, by its name; with what is inside of that."""


def read(path: Path) -> Saved:
    """A ``.keras`` archive or an HDF5 file; raises CannotConvert where it is neither."""
    try:
        return _archive(path) if zipfile.is_zipfile(path) else _hdf5(path)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as exc:
        raise CannotConvert(f"{path.name} can't be read as a Keras model ({type(exc).__name__}: {exc})") from exc


def _archive(path: Path) -> Saved:
    import h5py

    with zipfile.ZipFile(path) as archive:
        model = json.loads(archive.read("config.json"))
        file = h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r")
    return Saved(model["class_name"], model["config"], _folder(file["layers"]), _folders(file["layers"]))


def _folders(layers: Any) -> Callable[[str], tuple[Weights, Any]]:
    def inside(name: str) -> tuple[Weights, Any]:
        group = _group(layers, name)
        if group is None or "layers" not in group:
            raise CannotConvert(f'the weights of the model "{name}" inside it are not where they should be')
        return _folder(group["layers"]), _folders(group["layers"])

    return inside


def _folder(layers: Any) -> Weights:
    def weights(name: str) -> list[Any]:
        group = _group(layers, name)
        return [] if group is None else _arrays(group)

    return weights


def _group(layers: Any, name: str) -> Any:
    """The folder of a layer: they are called by class and number, and say the layer's name."""
    for key in layers:
        group = layers[key]
        told = group["vars"].attrs.get("name") if "vars" in group else None
        if (told.decode() if isinstance(told, bytes) else told) == name:
            return group
    return None


def _arrays(group: Any) -> list[Any]:
    """Its own variables by number, then those of its parts (a forward layer before a backward one)."""
    own = group.get("vars", {})
    found = [own[key][()] for key in sorted(own, key=int)]
    parts = sorted((key for key in group if key != "vars"), key=lambda key: (not key.startswith("forward"), key))
    return found + [array for key in parts if hasattr(group[key], "keys") for array in _arrays(group[key])]


def _hdf5(path: Path) -> Saved:
    import h5py

    file = h5py.File(path, "r")
    text = file.attrs.get("model_config")
    if text is None:
        raise CannotConvert(f"{path.name} holds weights only: save the whole model")
    model = json.loads(text)
    flat = [
        (re.split("[/:]", f"{group}/{_text(name)}"), file["model_weights"][group][_text(name)][()])
        for group in file["model_weights"]
        for name in file["model_weights"][group].attrs.get("weight_names", ())
    ]

    def weights(name: str) -> list[Any]:
        return [array for words, array in flat if name in words]

    def inside(name: str) -> tuple[Weights, Any]:
        return weights, inside  # a layer's name is in the name of each of its weights, however deep it lies

    return Saved(model["class_name"], model["config"], weights, inside)


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
