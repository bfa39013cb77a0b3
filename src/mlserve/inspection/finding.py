"""What was found in a model's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """What a model's file says of itself; empty where it says nothing."""

    format: str | None = None
    """The processor that serves such a file; ``None``: not one that was recognised."""
    framework: str = ""
    """The library whose object it is, where a format can hold several: ``xgboost`` in a pickle."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Package (as on PyPI) → the version it was saved with."""
    requirements: tuple[str, ...] = ()
    """Packages that serving it takes beside its processor's own, in whatever version."""
    opset: int | None = None
    inputs: tuple[Mapping[str, Any], ...] = ()
    """``{"name", "type", "shape"}``, -1 for any size."""
    outputs: tuple[Mapping[str, Any], ...] = ()
    modules: tuple[str, ...] = ()
    """Python modules that loading it imports."""
    dangerous: tuple[str, ...] = ()
    """What loading it would use that a model has no need of: ``os.system``."""
    runs_code: str = ""
    """Why reading it can run code that it brings; empty: it can't, or that is not known."""
    problems: tuple[str, ...] = ()
    """Why it can't be used. Anything here means: don't try."""
    notes: tuple[str, ...] = ()
    """What its owner should know."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """More that the format tells: producer, objective, features."""
    file: str = ""
    """The file that was read, where a folder was given."""

    def summary(self) -> str:
        """One line: ``onnx, opset 17, inputs age (float32 [-1, 1])``."""
        if self.problems:
            return self.problems[0]
        parts = [
            self.format or "format not recognised",
            *(f"{name} {number}" for name, number in self.versions.items()),
        ]
        if self.opset is not None:
            parts.append(f"opset {self.opset}")
        if self.inputs:
            shown = [f"{tensor['name']} ({tensor['type']} {tensor['shape']})" for tensor in self.inputs[:4]]
            parts.append("inputs " + ", ".join(shown) + (", …" if len(self.inputs) > 4 else ""))
        return ", ".join([*parts, *self.notes, *([self.runs_code] if self.runs_code else [])])


def damaged(kind: str | None, reason: str) -> Finding:
    """A finding that says why a file can't be used."""
    return Finding(format=kind, problems=(reason,))
