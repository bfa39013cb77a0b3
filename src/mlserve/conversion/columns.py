"""The columns of a scikit-learn table: what the steps that see them tell of their values, and how they become one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mlserve.conversion.base import Hint

_MOST = 500
"""Thresholds of one column that are kept: a forest has many thousands."""


def column_hints(estimator: Any, names: Sequence[str]) -> Mapping[str, tuple[Hint, ...]]:
    """Native input name → its hints; for a table in one piece, one for each of its columns."""
    count = int(getattr(estimator, "n_features_in_", 0) or 0)
    found: dict[int, Hint] = {}
    positions = {name: index for index, name in enumerate(names)} if len(names) == count else {}
    _look(estimator, list(range(count)), positions, found)
    hints = tuple(found.get(index, Hint()) for index in range(count))
    if len(names) == count and count > 1:
        return {name: (hint,) for name, hint in zip(names, hints, strict=True)}
    return {names[0]: hints} if hints else {}


def merged(model: Any, names: Sequence[str]) -> Any:
    """The graph with one input for each column, put together to the one table that it takes."""
    from onnx import helper

    table = model.graph.input[0]
    kind = table.type.tensor_type.elem_type
    columns = [helper.make_tensor_value_info(f"column:{index}", kind, [None, 1]) for index in range(len(names))]
    node = helper.make_node("Concat", [one.name for one in columns], [table.name], axis=1)
    nodes = [node, *model.graph.node]
    del model.graph.input[:], model.graph.node[:]
    model.graph.input.extend(columns)
    model.graph.node.extend(nodes)
    return model


def filled_by_choice(model: Any) -> Any:
    """The graph with imputers as a choice between two values: ONNX Runtime has them in single precision only."""
    from onnx import helper, numpy_helper

    nodes = []
    for node in model.graph.node:
        told = {one.name: one for one in node.attribute}
        if node.op_type != "Imputer" or not np.isnan(told["replaced_value_float"].f):
            nodes.append(node)
            continue
        gone, values = f"{node.output[0]}:gone", f"{node.output[0]}:values"
        array = np.array(told["imputed_value_floats"].floats, np.float64)
        model.graph.initializer.append(numpy_helper.from_array(array, values))
        nodes.append(helper.make_node("IsNaN", [node.input[0]], [gone]))
        nodes.append(helper.make_node("Where", [gone, values, node.input[0]], [node.output[0]]))
    kept = list(nodes)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model


def _look(step: Any, columns: list[int], positions: Mapping[str, int], found: dict[int, Hint]) -> None:
    """Follow the columns until a step changes them beyond recognition."""
    inside = getattr(step, "steps", None)
    if inside:
        for _name, part in inside:
            if part is None or isinstance(part, str):
                continue
            _look(part, columns, positions, found)
            if not _keeps_columns(part):
                return
        return
    if hasattr(step, "transformers_"):
        for _name, part, chosen in step.transformers_:
            own = _indices(chosen, positions, len(columns))
            if not isinstance(part, str) and own:
                _look(part, [columns[index] for index in own], {}, found)
        return
    for index, hint in enumerate(_told(step, len(columns))):
        if hint is not None:
            found.setdefault(columns[index], hint)


def _keeps_columns(step: Any) -> bool:
    return type(step).__name__ in ("SimpleImputer",)


def _indices(chosen: Any, positions: Mapping[str, int], count: int) -> list[int]:
    if isinstance(chosen, slice):
        return list(range(count))[chosen]
    if isinstance(chosen, str | int):
        chosen = [chosen]
    found = []
    for at, column in enumerate(chosen):
        if isinstance(column, str):
            found.append(positions.get(column, -1))
        elif isinstance(column, bool) or type(column).__name__ in ("bool_", "bool"):
            found += [at] if column else []
        else:
            found.append(int(column) % max(count, 1))
    return [] if -1 in found else found


def _told(step: Any, count: int) -> list[Hint | None]:
    categories = getattr(step, "categories_", None)
    if isinstance(categories, list) and len(categories) == count:
        return [_category(known) for known in categories]
    if (edges := _edges(step, count)) is not None:
        return [_split([float(value) for value in values if np.isfinite(value)]) for values in edges]
    if hasattr(step, "data_min_"):
        low, high = step.data_min_, step.data_max_
        return [
            Hint((float(a), float(b)), float(a + b) / 2, float(b - a) / 4 or 1.0)
            for a, b in zip(low, high, strict=True)
        ]
    if getattr(step, "mean_", None) is not None and getattr(step, "scale_", None) is not None:
        return [Hint((), float(m), float(s) or 1.0) for m, s in zip(step.mean_, step.scale_, strict=True)]
    thresholds = _thresholds(step, count)
    return [_split(values) for values in thresholds] if any(thresholds) else [None] * count


def _edges(step: Any, count: int) -> Any:
    """Where a step cuts each column into ranges."""
    if hasattr(step, "bin_edges_"):
        return step.bin_edges_ if len(step.bin_edges_) == count else None
    if hasattr(step, "quantiles_"):
        return step.quantiles_.T if step.quantiles_.shape[1] == count else None
    return [[step.threshold]] * count if type(step).__name__ == "Binarizer" else None


def _category(known: Any) -> Hint:
    if known.dtype.kind in "OUS":
        return Hint(tuple(str(value) for value in known))
    return Hint(
        tuple(float(value) for value in known), whole=int(max(known, default=0)) if min(known, default=0) >= 0 else None
    )


def _split(values: list[float]) -> Hint | None:
    if not values:
        return None
    low, high = min(values), max(values)
    step = max(1, len(values) // _MOST)
    return Hint(tuple(sorted(values)[::step]), (low + high) / 2, (high - low) / 3 or max(abs(low), 1.0) / 2)


def _thresholds(step: Any, count: int) -> list[list[float]]:
    """Where the trees of a step divide each column."""
    found: list[list[float]] = [[] for _ in range(count)]
    inside: Any = getattr(step, "estimators_", None)
    members = list(inside.ravel()) if hasattr(inside, "ravel") else list(inside or [step])
    for number, value in _histogram_thresholds(step):
        if number < count:
            found[number].append(value)
    for member in members:
        tree = getattr(member, "tree_", None)
        if tree is None:
            continue
        for feature, threshold in zip(tree.feature, tree.threshold, strict=True):
            if 0 <= feature < count and np.isfinite(threshold):  # infinite: it divides the missing from the rest
                found[feature].append(float(threshold))
    return [sorted(set(values)) for values in found]


def _histogram_thresholds(step: Any) -> Iterator[tuple[int, float]]:
    """The same of boosting over histograms."""
    for iteration in getattr(step, "_predictors", ()):
        for tree in iteration:
            for node in getattr(tree, "nodes", ()):
                if not node["is_leaf"] and np.isfinite(node["num_threshold"]):
                    yield int(node["feature_idx"]), float(node["num_threshold"])
