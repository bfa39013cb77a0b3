"""How far a window of values is from a reference, and how likely that is by chance. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlserve.runtime.tensors import Array


def numbers(reference: Array, window: Array) -> tuple[float, float]:
    """The two-sample Kolmogorov-Smirnov distance (0 … 1) and its probability; both sorted, NaN last."""
    from scipy import special

    points = np.concatenate((reference, window))
    known = np.searchsorted(reference, points, "right") / len(reference)
    came = np.searchsorted(window, points, "right") / len(window)
    distance = float(np.abs(known - came).max())
    weight = math.sqrt(len(reference) * len(window) / (len(reference) + len(window)))
    return distance, float(special.kolmogorov(weight * distance))


def words(reference: Mapping[Any, int], window: Mapping[Any, int]) -> tuple[float, float]:
    """For texts and classes: half the sum of the differences in share (0 … 1), and the chi-squared probability."""
    from scipy import special

    values = list(reference.keys() | window.keys())
    table = np.array([[side.get(value, 0) for value in values] for side in (reference, window)], dtype=np.float64)
    share = table / table.sum(axis=1, keepdims=True)
    distance = float(np.abs(share[0] - share[1]).sum() / 2)
    wanted = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    statistic = float(((table - wanted) ** 2 / wanted).sum())
    return distance, float(special.chdtrc(max(1, len(values) - 1), statistic)) if len(values) > 1 else 1.0
