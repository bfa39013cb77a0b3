"""Which of SHAP's explainers a model gets: the exact one for a tree, a line or few columns, else one that samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.tensors import Array

_FEW = 8
"""So many columns are asked in every combination: 256 of them, each with every row of the background."""
_TREES = ("Forest", "Trees", "Tree", "Boosting", "XGB", "LGBM", "CatBoost", "Booster")
_AUTO = 'write "method": "auto", or "convert": "never" so that the model is served by its own library'

Explain = Callable[[Array], tuple[Array, Array]]


def choose(
    shap: Any, asked: str, native: Any, answers: Callable[[Array], Array], background: Array
) -> tuple[str, Explain]:
    """The explainer and its name."""
    kind = type(native).__name__
    tree = native is not None and any(word in kind for word in _TREES)
    line = native is not None and hasattr(native, "coef_") and not hasattr(native, "classes_")
    if asked in ("tree", "linear") and not (tree if asked == "tree" else line):
        served = f"a {kind}" if native is not None else "not one of a library with trees (it may have been converted)"
        raise StartFailure(
            "not-explainable",
            f'"method": "{asked}" needs such a model, and what is served is {served}',
            _AUTO,
        )
    made: list[tuple[str, Callable[[], Explain]]] = []
    if tree and asked in ("auto", "tree"):
        ways: tuple[dict[str, str], ...] = ({}, {"model_output": "probability"})
        made += [("tree", partial(_tree, shap, native, answers, background, way)) for way in ways]
    if line and asked in ("auto", "linear"):
        made.append(("linear", lambda: _called(shap.LinearExplainer(native, background))))
    for name, make in made:
        found = _exact(make, answers, background)
        if found is not None:
            return name, found
    if asked in ("tree", "linear"):
        raise StartFailure(
            "not-explainable", f"SHAP's {asked} explainer does not explain what this {kind} answers", _AUTO
        )
    if asked == "kernel":
        return "kernel", _kernel(shap, answers, background)
    masker = shap.maskers.Independent(background, max_samples=len(background))
    if asked == "auto" and background.shape[1] <= _FEW:
        return "exact", _called(shap.explainers.Exact(answers, masker))
    return "permutation", _called(shap.explainers.Permutation(answers, masker, seed=0))


def _exact(make: Callable[[], Explain], answers: Callable[[Array], Array], background: Array) -> Explain | None:
    """The explainer, where what it explains is what the model answers: not margins where probabilities are served."""
    try:
        explain = make()
        values, base = explain(background[:3])
    except Exception:  # noqa: BLE001 - a model that SHAP can't take apart is explained from outside
        return None
    return explain if np.allclose(values.sum(axis=1) + base, answers(background[:3]), atol=1e-3) else None


def _tree(
    shap: Any, native: Any, answers: Callable[[Array], Array], background: Array, told: Mapping[str, str]
) -> Explain:
    explainer = shap.TreeExplainer(native, _single(background), feature_perturbation="interventional", **told)
    count = answers(background[:1]).reshape(1, -1).shape[1]

    def explain(rows: Array) -> tuple[Array, Array]:
        values = np.asarray(explainer.shap_values(_single(rows), check_additivity=False))
        base = np.asarray(explainer.expected_value, dtype=np.float64)
        if values.ndim == 2 and count == 2:  # of the second class alone
            values, base = np.stack([-values, values], axis=2), np.array([1 - base, base]).reshape(-1)
        return values, base

    return explain


def _single(rows: Array) -> Array:
    """As trees compare them, in single precision: else a row lands on the other side of a split than it is served."""
    return rows.astype(np.float32).astype(np.float64)


def _kernel(shap: Any, answers: Callable[[Array], Array], background: Array) -> Explain:
    explainer = shap.KernelExplainer(answers, background)

    def explain(rows: Array) -> tuple[Array, Array]:
        return np.asarray(explainer.shap_values(rows, silent=True)), np.asarray(explainer.expected_value)

    return explain


def _called(explainer: Any) -> Explain:
    def explain(rows: Array) -> tuple[Array, Array]:
        found = explainer(rows)
        base = np.asarray(found.base_values, dtype=np.float64)
        return np.asarray(found.values), base[0] if base.ndim else base

    return explain
