"""Explain a failed start: its cause in one word, the reason, what to try, and the user's own frames."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlserve.runtime.spec import Spec

_HERE = str(Path(__file__).parent)
_GPU = re.compile(r"cuda|cudnn|nvidia|libcu\w+\.so|no gpu|tensorrt", re.IGNORECASE)
_DISTRIBUTIONS = {
    "sklearn": "scikit-learn", "cv2": "opencv-python-headless", "PIL": "Pillow", "yaml": "PyYAML",
    "bs4": "beautifulsoup4",
    "skimage": "scikit-image", "dateutil": "python-dateutil", "Crypto": "pycryptodome", "dotenv": "python-dotenv",
    "google.protobuf": "protobuf", "onnxruntime": "onnxruntime", "attr": "attrs", "jwt": "PyJWT", "faiss": "faiss-cpu",
}  # fmt: skip


class StartFailure(Exception):
    """A start that can't succeed by itself, already explained by the file that knows the library."""

    def __init__(self, cause: str, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.cause = cause
        self.reason = reason
        self.hint = hint


def explain(error: BaseException, spec: Spec, phase: str) -> dict[str, Any]:
    """The failure record's part that only this process knows."""
    root = error.__cause__ if isinstance(error, StartFailure) and error.__cause__ is not None else error
    cause, reason, hint = _diagnosis(error, spec, phase)
    versions = {"saved": dict(spec.saved_versions), "running": running_versions(spec.saved_versions)}
    if _differ(versions["saved"], versions["running"]) and cause in (
        "corrupt-model",
        "load-exception",
        "warm-up-failed",
        "missing-library",
    ):
        cause, reason, hint = _mismatch(versions, reason)
    return {
        "phase": phase,
        "cause": cause,
        "reason": reason,
        "hint": hint,
        "retryable": False,
        "exception": None
        if root is error and isinstance(error, StartFailure)
        else {"type": type(root).__name__, "message": str(root)},
        "frames": frames(root, spec.processor_path),
        "versions": versions,
    }


def frames(error: BaseException, root: str | None) -> list[dict[str, Any]]:
    """The user's own frames of a traceback; others only where nothing of the user's is left."""
    found = [f for f in traceback.extract_tb(error.__traceback__) if not _ours(f.filename)]
    own = [f for f in found if not _foreign(f.filename)] or found
    shown = [_frame(f.filename, f.lineno, f.name, f.line, root) for f in own]
    if isinstance(error, SyntaxError) and error.filename:
        shown = [f for f in shown if not f["file"].startswith("<")]
        shown.append(_frame(error.filename, error.lineno, "<module>", error.text, root))
    return shown


def running_versions(names: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    """The installed version of each distribution, without importing it."""
    if not names:
        return {}
    from importlib import metadata  # slow to import, and mostly not needed

    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _diagnosis(error: BaseException, spec: Spec, phase: str) -> tuple[str, str, str]:
    if isinstance(error, StartFailure):
        return error.cause, error.reason, error.hint
    text = _sentence(error)
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _missing_library(error.name, spec)
    if isinstance(error, MemoryError):
        return (
            "out-of-memory",
            f"not enough memory to load the model: {text}",
            'raise "metadata": {"memory": …} in the descriptor',
        )
    if isinstance(error, ImportError | OSError | RuntimeError | ValueError | AssertionError) and _GPU.search(
        str(error)
    ):
        return (
            "gpu-unavailable",
            f"the GPU can't be used: {text}",
            'ask for one with "metadata": {"gpu": 1}, or load the model on the CPU',
        )
    if isinstance(error, FileNotFoundError):
        where = error.filename or text
        return "missing-model", f"no such file: {where}", "check model_path and the names that load() opens"
    if isinstance(error, PermissionError):
        return "unreadable-model", f"may not read {error.filename or text}", "give the file read permission"
    if isinstance(error, ImportError | SyntaxError) or _while_importing(error):
        return "import-exception", f"importing the processor failed: {text}", "the frames show where"
    if phase == "warm-up":
        return (
            "warm-up-failed",
            f"the first request failed: {text}",
            "the frames show where; mlserve test tries it again without deploying",
        )
    return (
        "load-exception",
        f"load() failed: {text}",
        "the frames show where; mlserve test tries it again without deploying",
    )


def _missing_library(module: str, spec: Spec) -> tuple[str, str, str]:
    top = module.split(".")[0]
    distribution = _DISTRIBUTIONS.get(module) or _DISTRIBUTIONS.get(top) or top
    place = f"{Path(spec.processor_path).name}/requirements.txt (beside the processor)" if spec.processor_path else ""
    return (
        "missing-library",
        f'the library "{distribution}" is not installed (import {module})',
        f"add the line {distribution} to {place}"
        if place
        else f"write the line {distribution} into requirements.txt in a folder, and name that folder as processor_path",
    )


def _mismatch(versions: Mapping[str, Mapping[str, str]], reason: str) -> tuple[str, str, str]:
    saved, running = versions["saved"], versions["running"]
    pairs = [
        f"{name} {saved[name]}, and {running[name]} runs"
        for name in saved
        if name in running and saved[name] != running[name]
    ]
    now = ", ".join(f"{name} {running[name]}" for name in running)
    return (
        "version-mismatch",
        f"the model was saved with {'; '.join(pairs)}: {reason}",
        f"save the model again with {now}, or serve it with the version it was saved with",
    )


def _differ(saved: Mapping[str, str], running: Mapping[str, str]) -> bool:
    return any(saved[name].split(".")[:2] != version.split(".")[:2] for name, version in running.items())


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:400]}" if text else type(error).__name__


def _while_importing(error: BaseException) -> bool:
    return any(
        f.name == "import_file" and f.filename.startswith(_HERE) for f in traceback.extract_tb(error.__traceback__)
    )


def _frame(file: str, line: int | None, function: str, code: str | None, root: str | None) -> dict[str, Any]:
    path = Path(file)
    shown = path.relative_to(root) if root and path.is_relative_to(root) else path
    return {"file": str(shown), "line": line, "function": function, "code": (code or "").strip()}


def _ours(file: str) -> bool:
    return file.startswith((_HERE, "<frozen"))


def _foreign(file: str) -> bool:
    return "site-packages" in file or "dist-packages" in file or file.startswith((sys.base_prefix, "<"))
