"""The models that are served, and one request with its right answer for each."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAKER = Path(__file__).with_name("make_models.py")
REQUIREMENTS = ("onnx>=1.16", "skl2onnx>=1.17", "scikit-learn>=1.4", "onnxruntime==1.31.1", "numpy")
NAMES = ("iris", "mlp", "cnn", "tensor")


@dataclass(frozen=True)
class Model:
    """An ONNX file, a row for it, and what ONNX Runtime answers to that row."""

    name: str
    path: Path
    input: str
    shape: Sequence[int]
    data: Sequence[float]
    outputs: Mapping[str, Mapping[str, Any]]

    def kinds(self) -> dict[str, tuple[str, int]]:
        """Of each output, numpy's word for its type, and how many values it has for one row."""
        return {name: (output["kind"], len(output["data"])) for name, output in self.outputs.items()}

    @property
    def wanted(self) -> Sequence[float]:
        """The numbers of the last output: probabilities, where there are labels before them."""
        return [float(number) for number in [*self.outputs.values()][-1]["data"]]


def make(folder: Path, python: Path) -> dict[str, Model]:
    """All models, made once for each folder."""
    if any(not (folder / f"{name}.json").exists() for name in NAMES):
        subprocess.run([python, MAKER, folder], check=True, timeout=300)
    return {name: read(folder, name) for name in NAMES}


def read(folder: Path, name: str) -> Model:
    """One that was made."""
    told = json.loads((folder / f"{name}.json").read_text())
    return Model(name, folder / f"{name}.onnx", told["input"], told["shape"], told["data"], told["outputs"])
