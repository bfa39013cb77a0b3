"""Keras: .keras archives and HDF5 files. A Lambda layer is Python code; every other layer is known by its name."""

from __future__ import annotations

import json
import mmap
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlserve.inspection.finding import Finding, damaged

ORDER = 8
SUFFIXES = (".keras", ".h5", ".hdf5")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_MAX_CONFIG = 64 << 20
_END_AT = {0: 40, 1: 44, 2: 28, 3: 28}
"""HDF5's version → where it says how long the file is."""
_CONFIG = re.compile(rb'\{"(?:module|class_name)": ?"')
_VERSION = re.compile(rb"keras_version.{0,80}?(\d+\.\d+\.\d+[\w.-]{0,20})", re.DOTALL)
_BUILT_IN = ("keras", "builtins", "tensorflow.keras")


def matches(head: bytes, suffix: str) -> bool:
    """By suffix, or as HDF5."""
    return suffix in SUFFIXES or head.startswith(_HDF5)


def read(path: Path) -> Finding:
    """What a Keras file says of its layers."""
    with path.open("rb") as file:
        head = file.read(8)
    if head == _HDF5:
        return _read_hdf5(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_archive(archive)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as exc:
        return damaged("keras", f"it is not a whole Keras file: {str(exc)[:100]}")


def _read_archive(archive: zipfile.ZipFile) -> Finding:
    names = set(archive.namelist())
    if missing := {"config.json", "metadata.json"} - names:
        return damaged("keras", f"it is not a Keras file: there is no {sorted(missing)[0]} in it")
    if archive.getinfo("config.json").file_size > _MAX_CONFIG or archive.getinfo("metadata.json").file_size > 1 << 20:
        return damaged("keras", "its config.json is larger than any model's")
    config, about = _json(archive.read("config.json")), _json(archive.read("metadata.json"))
    problems = () if "model.weights.h5" in names else ("its weights are missing: no model.weights.h5 in it",)
    version = about.get("keras_version") if isinstance(about, dict) else None
    return _finding(config, version if isinstance(version, str) else "", problems)


def _read_hdf5(path: Path) -> Finding:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        if why := _cut(mapped):
            return damaged("keras", why)
        found = _CONFIG.search(mapped)
        if not found:
            return Finding(framework="keras", notes=("HDF5 without a model: weights alone, perhaps",))
        text = mapped[found.start() : found.start() + _MAX_CONFIG].partition(b"\0")[0].decode("utf-8", "replace")
        version = _VERSION.search(mapped)
    try:
        config, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return Finding(format="keras", framework="keras", notes=("its layers are not written in one piece",))
    return _finding(config, version.group(1).decode() if version else "", ())


def _cut(data: mmap.mmap) -> str:
    """Why an HDF5 file is not whole; empty when it is."""
    if len(data) < 64 or data[8] not in _END_AT:
        return "the HDF5 file is damaged or cut off: its beginning is not one"
    at = _END_AT[data[8]]
    size = int.from_bytes(data[at : at + 8], "little")
    if size > len(data):
        return f"the HDF5 file is cut off: it says {size} bytes, and there are {len(data)}"
    return ""


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except RecursionError as exc:
        raise ValueError("nested too deep") from exc


def _finding(config: Any, version: str, problems: tuple[str, ...]) -> Finding:
    layers = list(_objects(config))
    lambdas = any(layer.get("class_name") == "Lambda" for layer in layers)
    own = sorted({name for layer in layers if (name := _own(layer))})
    return Finding(
        format="keras",
        framework="keras",
        inputs=tuple(_inputs(layers, config)),
        dangerous=("a Lambda layer",) if lambdas else (),
        runs_code="a Lambda layer is Python code that runs when it is read" if lambdas else "",
        problems=problems,
        notes=(f"it needs classes of your own: {', '.join(own[:5])}",) if own else (),
        # Not among the versions to install: a newer Keras reads older files, and guards better against what is in them.
        facts={"class": str(config.get("class_name")) if isinstance(config, dict) else "", "saved_with": version},
    )


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Every object that names a class, however deep."""
    waiting = [config]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if isinstance(node.get("class_name"), str):
                yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _own(layer: dict[str, Any]) -> str:
    module, name = layer.get("module"), layer.get("registered_name")
    foreign = isinstance(module, str) and module.partition(".")[0] not in _BUILT_IN
    if layer.get("module") is None and isinstance(name, str) and ">" in name:
        return name
    return str(layer["class_name"]) if foreign else ""


def _inputs(layers: list[dict[str, Any]], config: Any) -> Iterator[dict[str, Any]]:
    for layer in reversed(layers):
        own = layer.get("config")
        if layer.get("class_name") != "InputLayer" or not isinstance(own, dict):
            continue
        shape = own.get("batch_shape") or own.get("batch_input_shape")
        sizes = [size if isinstance(size, int) and size > 0 else -1 for size in shape or []]
        kind = own.get("dtype")
        yield {"name": str(own.get("name", "")), "type": kind if isinstance(kind, str) else "float32", "shape": sizes}
