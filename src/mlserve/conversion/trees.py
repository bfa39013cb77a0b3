"""Decision trees as one ONNX operator, compared in single precision, as scikit-learn does too, or in double."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_ATTRIBUTES = ("modes", "featureids", "values", "truenodeids", "falsenodeids", "missing_value_tracks_true")


def rounded_down(threshold: float) -> float:
    """The largest number of single precision that is not above: ``x <= threshold`` stays what it is for every x."""
    single = np.float32(threshold)
    return float(single if float(single) <= threshold else np.nextafter(single, np.float32(-np.inf)))


@dataclass(slots=True)
class Forest:
    """The nodes of some trees, added one by one; a leaf gives one number for each target, summed over the trees."""

    targets: int
    double: bool = False
    """Compare and add up in double precision; the answers are of single precision all the same."""
    trees: int = 0
    _nodes: dict[str, list[Any]] = field(
        default_factory=lambda: {name: [] for name in ("treeids", "nodeids", *_ATTRIBUTES)}
    )
    _leaves: dict[str, list[Any]] = field(
        default_factory=lambda: {n: [] for n in ("treeids", "nodeids", "ids", "weights")}
    )

    def begin(self) -> int:
        """A new tree; its root is the node 0."""
        self.trees += 1
        return self.trees - 1

    def branch(
        self, tree: int, node: int, feature: int, mode: str, value: float, ways: tuple[int, int], missing: bool = False
    ) -> None:
        """``ways``: the next node where the comparison holds, and where not; ``missing``: NaN goes the first way."""
        self._add(tree, node, (f"BRANCH_{mode}", feature, value, *ways, int(missing)))

    def leaf(self, tree: int, node: int, weights: Sequence[float]) -> None:
        """The end of a way."""
        self._add(tree, node, ("LEAF", 0, 0.0, 0, 0, 0))
        told = [(target, weight) for target, weight in enumerate(weights) if weight] or [(0, 0.0)]
        for target, weight in told:
            for name, value in zip(("treeids", "nodeids", "ids", "weights"), (tree, node, target, weight), strict=True):
                self._leaves[name].append(value)

    def operator(self, source: str, output: str) -> Any:
        """The node for a graph: ``source`` is a table, ``output`` (single precision) has a column for each target."""
        from onnx import helper, numpy_helper

        told: dict[str, Any] = {f"nodes_{name}": values for name, values in self._nodes.items()}
        told |= {f"target_{name}": values for name, values in self._leaves.items()}
        for name in ("nodes_values", "target_weights") if self.double else ():
            array = np.array(told.pop(name), np.float64)
            told[f"{name}_as_tensor"] = numpy_helper.from_array(array, name)
        told |= {"n_targets": self.targets, "aggregate_function": "SUM", "post_transform": "NONE"}
        return helper.make_node("TreeEnsembleRegressor", [source], [output], domain="ai.onnx.ml", **told)

    def _add(self, tree: int, node: int, values: tuple[Any, ...]) -> None:
        for name, value in zip(("treeids", "nodeids", *_ATTRIBUTES), (tree, node, *values), strict=True):
            self._nodes[name].append(value)
