"""How far out a converted model answers as the native one does: infinite numbers, and those beyond single precision."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from mlserve.conversion.parity import agree
from mlserve.runtime.converted import Limit
from mlserve.runtime.processors.base import Arrays, Loaded, Metadata, Tensor

_SINGLE, _DOUBLE = float(np.finfo(np.float32).max), float(np.finfo(np.float64).max)
_BEYOND = 1e39
"""More than single precision holds, and little enough for double to reckon with."""
_APART = 32
"""Inputs that are tried one by one; more share their limit, for each try takes the native library a while."""


def limits(
    native: Loaded, converted: Loaded, metadata: Metadata, ordinary: Arrays, *, missing: bool
) -> dict[str, Limit]:
    """By input, where there is one. ``ordinary``: inputs that both take; ``missing``: missing numbers, too."""
    numbers = [tensor for tensor in metadata.inputs if tensor.datatype in ("FP32", "FP64") and tensor.name in ordinary]
    row = {name: array[:1] for name, array in ordinary.items()}
    groups = [[one] for one in numbers] if len(numbers) <= _APART else [numbers]
    found: dict[str, Limit] = {}
    for group in groups:
        most = _most(native, converted, row, group)
        found |= {tensor.name: Limit(most, missing) for tensor in group if most != np.inf or not missing}
    return found


def _most(native: Loaded, converted: Loaded, row: Arrays, group: Sequence[Tensor]) -> float:
    double = group[0].datatype == "FP64"
    if double and not _alike(native, converted, row, group, _BEYOND):
        return _SINGLE
    if _alike(native, converted, row, group, np.inf):
        return float(np.inf)
    return _DOUBLE if double else _SINGLE


def _alike(native: Loaded, converted: Loaded, row: Arrays, group: Sequence[Tensor], number: float) -> bool:
    """Both answer the same to a row of such numbers, whatever their sign."""
    for value in (number, -number):
        asked = {**row, **{one.name: np.full_like(row[one.name], value) for one in group}}
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of overflow: it is what is looked for
            if not agree(native, converted, asked):
                return False
    return True
