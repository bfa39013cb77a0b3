"""What a fitted estimator keeps of the rows it has seen: distances to them decide, and equal ones most of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

_ROWS = ("_fit_X", "X_train_", "support_vectors_")
_MOST = 2000
_DIGITS = 9
_DEPTH = 12


def known_rows(estimator: Any, names: Sequence[str]) -> Mapping[str, Any]:
    """Native input name → values, row by row; empty where the estimator keeps none, or not as they come."""
    steps = [step for _, step in getattr(estimator, "steps", [("", estimator)])]
    before = [step for step in steps[:-1] if step is not None and not isinstance(step, str)]
    rows = next((found for name in _ROWS if (found := getattr(steps[-1], name, None)) is not None), None)
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype.kind not in "fiu":
        return {}
    rows = rows[:_MOST].astype(np.float64)
    try:
        for step in reversed(before):
            rows = np.asarray(step.inverse_transform(rows))
    except (AttributeError, ValueError, TypeError):
        return {}
    rows = np.round(rows, _DIGITS) if before else rows
    if rows.shape[1] != getattr(estimator, "n_features_in_", -1):
        return {}
    if len(names) == rows.shape[1] and len(names) > 1:
        return {name: rows[:, [index]] for index, name in enumerate(names)}
    return {names[0]: rows} if len(names) == 1 else {}


def divides_missing(estimator: Any) -> bool:
    """A tree in it has a split between missing values and all others, of which the threshold is infinite."""
    return any(not np.isfinite(tree.threshold).all() for tree in _trees(estimator, _DEPTH))


def _trees(value: Any, depth: int) -> Iterator[Any]:
    if depth < 0:
        return
    if isinstance(value, list | tuple):
        for item in value:
            yield from _trees(item, depth - 1)
    elif isinstance(value, np.ndarray) and value.dtype == object:
        yield from _trees(value.ravel().tolist(), depth)
    elif hasattr(value, "tree_"):
        yield value.tree_
    elif type(value).__module__.startswith("sklearn."):
        yield from _trees(list(getattr(value, "__dict__", {}).values()), depth - 1)
