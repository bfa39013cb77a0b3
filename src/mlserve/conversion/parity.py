"""Whether two processors give the same answers to the same questions, and how far they are apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlserve.conversion.base import Evidence, brief
from mlserve.conversion.drawing import Batch
from mlserve.runtime.processors.base import Arrays, Loaded

TOLERANCE = 1e-4
"""Of a score, relative to its size and to the mean size of its output."""
_FAR_OFF = 1e-3
"""Of a score for inputs beyond those that a network was trained on, relative to the largest one of its output."""


@dataclass(slots=True)
class Parity:
    """What was compared. ``problem`` is the first thing that differs."""

    inputs: list[str] = field(default_factory=list)
    rows: int = 0
    max_relative_error: float = 0.0
    labels_equal: bool = True
    problem: str = ""
    refused: list[str] = field(default_factory=list)
    """Kinds of inputs that the native library refuses: nothing to compare with."""

    @property
    def holds(self) -> bool:
        return not self.problem and self.rows > 0

    def record(self) -> dict[str, Any]:
        return {
            "inputs": self.inputs,
            "rows": self.rows,
            "max_relative_error": float(f"{self.max_relative_error:.3g}"),
            "labels_equal": self.labels_equal,
        }


def compare(native: Loaded, converted: Loaded, batches: Iterable[Batch]) -> Parity:
    """Ask both. A batch that the native processor refuses proves nothing, unless it is an ordinary one."""
    parity = Parity()
    for batch in batches:
        try:
            wanted = native.predict(batch.inputs)
        except Exception as exc:  # noqa: BLE001 - whatever the library raises means: it does not take these
            if batch.kind in ("ordinary", "sample"):
                parity.problem = f"the native library refused made-up inputs ({brief(exc)})"
                return parity
            if batch.kind not in parity.refused:
                parity.refused.append(batch.kind)
            continue
        if not _ask(converted, batch, wanted, parity, _FAR_OFF if batch.loose else TOLERANCE):
            return parity
    return parity


def against(evidence: Evidence, converted: Loaded) -> Parity:
    """The same with answers that came with the model."""
    parity = Parity()
    _ask(converted, Batch("model verification", evidence.inputs), evidence.outputs, parity, evidence.tolerance)
    return parity


def agree(native: Loaded, converted: Loaded, inputs: Arrays) -> bool:
    """Both answer these inputs, and alike; none refuses them."""
    return not (parity := compare(native, converted, (Batch("far-off", inputs),))).problem and not parity.refused


def _ask(converted: Loaded, batch: Batch, wanted: Arrays, parity: Parity, tolerance: float) -> bool:
    try:
        came = converted.predict(batch.inputs)
    except Exception as exc:  # noqa: BLE001 - the converted model can't answer what the native one can
        parity.problem = f'for inputs of the kind "{batch.kind}" the converted model fails ({brief(exc)})'
        return False
    for name, values in wanted.items():
        if name not in came:
            parity.problem = f'the converted model has no output "{name}"'
            return False
        problem = _differ(np.asarray(values), np.asarray(came[name]), parity, tolerance, loose=batch.loose)
        if problem:
            parity.problem = f'for inputs of the kind "{batch.kind}" output "{name}" {problem}'
            return False
    if batch.kind not in parity.inputs:
        parity.inputs.append(batch.kind)
    parity.rows += max((len(array) for array in batch.inputs.values()), default=0)
    return True


def _differ(wanted: Any, came: Any, parity: Parity, tolerance: float, *, loose: bool = False) -> str:
    if wanted.shape != came.shape:
        return f"has the shape {list(came.shape)} instead of {list(wanted.shape)}"
    if wanted.dtype.kind not in "fc":
        return _labels(wanted, came, parity)
    if not wanted.size:
        return ""
    error = relative_error(wanted, came, to_largest=loose)
    parity.max_relative_error = max(parity.max_relative_error, error)
    if error > tolerance:
        return f"differs by {error:.2g} (more than {tolerance:g})"
    if wanted.ndim > 1 and wanted.shape[-1] > 1 and not _same_best(wanted, came, error):
        parity.labels_equal = False
        return "names another class"
    return ""


def _labels(wanted: Any, came: Any, parity: Parity) -> str:
    if wanted.dtype.kind in "OUS":
        wanted, came = wanted.astype(str), came.astype(str)
    equal = wanted == came
    if bool(np.all(equal)):
        return ""
    parity.labels_equal = False
    return f"differs in {int(np.size(equal) - np.count_nonzero(equal))} of {np.size(equal)} rows"


def relative_error(wanted: Any, came: Any, *, to_largest: bool = False) -> float:
    """The largest distance, relative to the value's own size and at least to the mean size of all of them.

    ``to_largest``: relative to the largest of them.
    """
    wanted, came = wanted.astype(np.float64), came.astype(np.float64)
    same = (wanted == came) | (np.isnan(wanted) & np.isnan(came))
    if bool(np.all(same)):
        return 0.0
    finite = np.abs(wanted[np.isfinite(wanted)])
    usual = float(finite.max() if to_largest else finite.mean()) if finite.size else 1.0
    with np.errstate(invalid="ignore"):
        distance = np.where(same, 0.0, np.abs(wanted - came) / np.maximum(np.abs(wanted), max(usual, 1e-12)))
    return float("inf") if bool(np.any(np.isnan(distance))) else float(distance.max())


def _same_best(wanted: Any, came: Any, error: float) -> bool:
    """The same best class in every row, but where the best two are closer to one another than the two models are."""
    rows, others = wanted.reshape(-1, wanted.shape[-1]), came.reshape(-1, came.shape[-1])
    known = ~np.isnan(rows).any(axis=1)
    rows, others = rows[known], others[known]
    best, chosen = rows.argmax(axis=1), others.argmax(axis=1)
    index = np.arange(len(rows))
    gap = rows[index, best] - rows[index, chosen]
    return bool(
        np.all(gap <= 2 * error * np.maximum(np.abs(rows[index, best]), np.abs(rows).mean() if len(rows) else 0))
    )
