"""scikit-learn's trees and forests, written so that equal votes end as they do there.

The average of many trees is summed in whole leaves and divided once: a tie stays a tie, and goes to the first class.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlserve.conversion.graph import Graph
from mlserve.conversion.trees import Forest, rounded_down

_SUPPORTED = ("DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees")


def is_forest(estimator: Any) -> bool:
    """A tree or an average of trees, with one output."""
    kind = type(estimator).__name__.removesuffix("Classifier").removesuffix("Regressor")
    return (
        kind in _SUPPORTED
        and type(estimator).__module__.startswith("sklearn.")
        and getattr(estimator, "n_outputs_", 1) == 1
    )


def append(graph: Graph, estimator: Any, table: str) -> None:
    """Add the forest behind ``table`` (single precision) with its outputs: label and probabilities, or prediction."""
    trees = [member.tree_ for member in getattr(estimator, "estimators_", [estimator])]
    classes = getattr(estimator, "classes_", None)
    forest = Forest(1 if classes is None else len(classes))
    for tree in trees:
        _add(forest, tree)
    total = graph.fresh("total")
    graph.put(forest.operator(table, total))
    score = graph.add("Div", total, graph.constant(np.float32(len(trees)))) if len(trees) > 1 else total
    if classes is None:
        graph.output(score, "prediction", np.float32, [None, 1])
        return
    best = graph.add("ArgMax", score, axis=1, keepdims=0)
    words = classes.astype(str) if classes.dtype.kind in "OU" else classes
    graph.output(graph.add("Gather", graph.constant(words), best), "label", words.dtype, [None])
    graph.output(score, "probabilities", np.float32, [None, len(classes)])


def _add(forest: Forest, tree: Any) -> None:
    number = forest.begin()
    missing = getattr(tree, "missing_go_to_left", np.zeros(tree.node_count, bool))
    values = tree.value[:, 0, :]
    if forest.targets > 1:  # counts in older versions, fractions in newer ones
        values = values / np.maximum(values.sum(axis=1, keepdims=True), 1e-300)
    for node in range(tree.node_count):
        left, right = int(tree.children_left[node]), int(tree.children_right[node])
        if left == -1:
            forest.leaf(number, node, [float(value) for value in values[node]])
            continue
        threshold = rounded_down(float(tree.threshold[node]))
        forest.branch(number, node, int(tree.feature[node]), "LEQ", threshold, (left, right), bool(missing[node]))
