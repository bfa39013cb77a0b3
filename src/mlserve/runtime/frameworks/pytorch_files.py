"""What a PyTorch file holds, told from its archive: a TorchScript program, an exported one, or weights alone."""

from __future__ import annotations

import zipfile
from pathlib import Path

from mlserve.runtime.failures import StartFailure

EXPORT = (
    "export a program: torch.export.save(torch.export.export(model, (example,), "
    'dynamic_shapes=({0: torch.export.Dim("batch")},)), "model.pt2")'
)


def kind_of(path: Path) -> str:
    """Which program: "script" or "export"; anything else is explained."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = ["/".join(name.split("/")[1:]) for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError, EOFError, ValueError) as exc:
        with path.open("rb") as file:
            pickled = file.read(1) == b"\x80"
        raise (no_program(path) if pickled else broken(path, exc)) from exc
    if "constants.pkl" in names:
        return "script"
    if any(name.startswith("models/") or name == "archive_format" for name in names):
        return "export"
    if "data.pkl" in names:
        raise no_program(path)
    raise broken(path, ValueError("a zip archive without a program"))


def no_program(path: Path) -> StartFailure:
    return StartFailure(
        "unreadable-model",
        f"{path.name} was written by torch.save: weights (a state dict) or a pickled class, and no program that runs "
        "without its Python code",
        EXPORT + "; or serve the code and the weights with processor_type python",
    )


def broken(path: Path, exc: Exception) -> StartFailure:
    text = " ".join(str(exc).split())[:300]
    cause = "version-mismatch" if "Unknown builtin op" in text or "version" in text else "corrupt-model"
    what = "needs another PyTorch" if cause == "version-mismatch" else "is not a whole PyTorch program"
    return StartFailure(cause, f"{path.name} ({path.stat().st_size} bytes) {what}: {text}", EXPORT)
