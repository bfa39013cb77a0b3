"""C and C++ processors of EAS: a shared library with ``initialize`` and ``process``, called through ctypes."""

from __future__ import annotations

import ctypes
import json
import os
from pathlib import Path
from typing import Any

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.processors.base import Arrays, Metadata, Place
from mlserve.runtime.raw_bodies import RAW, each, http_status

REQUIREMENTS: tuple[str, ...] = ()
SUFFIXES: tuple[str, ...] = ()
ALIASES: tuple[str, ...] = ()

_EXAMPLE = '"processor_entry": "libmy_processor.so"'
_LARGEST = 2**31 - 1


def create(place: Place) -> CppProcessor:
    return CppProcessor(place)


class CppProcessor:
    """Calls run on the worker threads side by side, outside Python's lock: ``process`` has to bear that."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._process: Any = None
        self._free: Any = None
        self._model: Any = None

    def load(self, path: Path, config: dict[str, Any]) -> None:
        file = _library_file(self._place)
        os.environ.setdefault("MODEL_DIR", str(path))  # where samples of EAS look
        initialize, self._process = _functions(file)
        self._free = ctypes.CDLL(None).free
        self._free.argtypes, self._free.restype = (ctypes.c_void_p,), None
        state = ctypes.c_int(0)
        entry = _entry(self._place).encode()
        self._model = initialize(entry, _text(config).encode(), ctypes.byref(state))
        if state.value:
            reason = f"initialize() of {file.name} answered state {state.value}, and 0 means that the model is loaded"
            wish = f"it was given model_entry {entry.decode()!r} and model_config {_text(config)[:80]!r}; see the log"
            raise StartFailure("load-exception", reason, wish)

    def metadata(self) -> Metadata:
        return Metadata(**RAW, platform="cpp")

    def predict(self, inputs: Arrays) -> Arrays:
        return each(inputs, self._call)

    def _call(self, body: bytes) -> tuple[bytes, int]:
        if len(body) > _LARGEST:
            return b"the body is larger than an int can say", 413
        output, size = ctypes.c_void_p(), ctypes.c_int(0)
        status = self._process(self._model, body, len(body), ctypes.byref(output), ctypes.byref(size))
        try:
            if size.value < 0 or (size.value and not output.value):
                raise ValueError(f"process() gave an output of {size.value} bytes at {output.value or 0:#x}")
            return ctypes.string_at(output, size.value) if output.value else b"", http_status(status)
        finally:
            self._free(output)


def _functions(file: Path) -> tuple[Any, Any]:
    """``initialize`` and ``process`` of the library, their types declared."""
    try:
        library = ctypes.CDLL(str(file))
    except OSError as exc:
        text = str(exc)
        if "No such file" in text or "cannot open shared object" in text:
            wish = "put it beside the processor, and link with -Wl,-rpath,'$ORIGIN'"
            raise StartFailure(
                "missing-library", f"{file.name} needs a library that is not here: {text}", wish
            ) from exc
        raise StartFailure("bad-entry", f"{file.name} can't be loaded: {text}", "build it for this machine") from exc
    try:
        initialize, process = library.initialize, library.process
    except AttributeError as exc:
        wish = 'export both without C++ names: extern "C" { … }'
        raise StartFailure("bad-entry", f"{file.name} has no function initialize or process: {exc}", wish) from exc
    initialize.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_int))
    initialize.restype = ctypes.c_void_p
    out = ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int)
    process.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, *out)
    process.restype = ctypes.c_int
    return initialize, process


def _library_file(place: Place) -> Path:
    path = place.processor_path
    if path is None:
        raise StartFailure("bad-entry", "a C++ processor needs processor_path", 'add "processor_path": "./processor"')
    if path.is_file():
        return path
    file = path / (place.processor_entry or "")
    if place.processor_entry and file.resolve().is_relative_to(path.resolve()) and file.is_file():
        return file
    found = sorted(str(file.relative_to(path)) for file in path.rglob("*.so*"))
    if not place.processor_entry and len(found) == 1:
        return path / found[0]
    wish = (
        f"no file {place.processor_entry!r}"
        if place.processor_entry
        else "processor_entry is not set, and no single .so"
    )
    raise StartFailure("bad-entry", f"{wish} in {path.name}/ (found: {', '.join(found) or 'no .so'})", _EXAMPLE)


def _entry(place: Place) -> str:
    """What ``initialize`` gets as model_entry: the model's own path where there is one, else the word as written."""
    if place.model_path is None:
        return place.model_entry or ""
    below = place.model_path / place.model_entry if place.model_entry else place.model_path
    return str(below) if below.exists() else str(place.model_path)


def _text(config: dict[str, Any]) -> str:
    """The configuration as its writer had it: text that is no JSON as it is, else JSON."""
    if config.keys() == {"text"}:
        return str(config["text"])
    return json.dumps(config) if config else ""
