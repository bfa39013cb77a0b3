"""What a fitted scikit-learn estimator wants to be asked with, seen in its parts: frames, texts, columns of words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

_FRAMES = ("ColumnTransformer", "FunctionTransformer")
_INNER = ("best_estimator_", "estimator_", "classifier_", "regressor_")
"""Where an estimator keeps the one that it was built around."""
_FEW = 10
"""Members of a vote that are looked at: a forest has hundreds, and they take the same."""


def parts(model: Any) -> list[Any]:
    """The model and what is inside it: pipeline steps, column transformers, unions, what a search has found."""
    found = [model]
    for part in (*_in_order(model), *_side_by_side(model), *_inner(model)):
        found += parts(part)
    return found


def wants_frame(model: Any) -> bool:
    """It may ask for columns by their names."""
    return any(
        type(part).__name__ in _FRAMES or not type(part).__module__.startswith("sklearn.") for part in parts(model)
    )


def chooses_by_name(model: Any) -> bool:
    """It can't be asked without a frame."""
    chosen = [columns for part in parts(model) for _, _, columns in getattr(part, "transformers_", ())]
    listed = [
        [one.start, one.stop] if isinstance(one, slice) else [one] if isinstance(one, int) else one for one in chosen
    ]
    return any(isinstance(name, str) for names in listed for name in names)


def takes_texts(model: Any) -> bool:
    """What it takes are texts, one a row, and no columns: its first step is a vectorizer, or one is beside another."""
    if is_vectorizer(model):
        return True
    steps = _in_order(model)
    for step in steps:
        if takes_texts(step):
            return True
        if type(step).__name__ != "FunctionTransformer":
            return False
    if hasattr(model, "transformers_"):
        return False
    return any(map(takes_texts, _side_by_side(model))) or any(map(takes_texts, _inner(model)))


def is_vectorizer(step: Any) -> bool:
    """It makes numbers of texts: scikit-learn's CountVectorizer, TfidfVectorizer, HashingVectorizer and their like."""
    return callable(getattr(step, "build_analyzer", None)) and getattr(step, "input", "content") == "content"


def vectorizers(model: Any) -> list[Any]:
    """All such in it."""
    return [part for part in parts(model) if is_vectorizer(part)]


def text_columns(model: Any, names: Sequence[str]) -> dict[str, Any]:
    """Columns of words → what stands there for a missing one (``""`` where nothing else does); the rest are numbers."""
    found: dict[str, Any] = {}
    _look(model, list(names), list(names), found)
    return found


def _in_order(model: Any) -> list[Any]:
    return [step for _, step in getattr(model, "steps", ()) if step is not None and not isinstance(step, str)]


def _side_by_side(model: Any) -> list[Any]:
    told = [part for _, part, _ in getattr(model, "transformers_", ())]
    told += [part for _, part in getattr(model, "transformer_list", ())]
    return [part for part in told if part is not None and not isinstance(part, str)]


def _inner(model: Any) -> Iterator[Any]:
    for name in _INNER:
        if hasattr(part := getattr(model, name, None), "fit"):
            yield part
    members = getattr(model, "estimators_", None)
    members = members if isinstance(members, list) else []
    calibrated = [getattr(one, "estimator", None) for one in getattr(model, "calibrated_classifiers_", ())]
    yield from (one for one in (*members[:_FEW], *calibrated[:1]) if hasattr(one, "fit"))


def _look(step: Any, columns: list[str], names: list[str], found: dict[str, Any]) -> None:
    """Follow the columns until a step makes others of them."""
    if is_vectorizer(step):
        for column in columns:
            found.setdefault(column, "")
        return
    if steps := _in_order(step):
        for part in steps:
            _look(part, columns, names, found)
            if type(part).__name__ != "SimpleImputer":
                return
    for _name, part, chosen in getattr(step, "transformers_", ()):
        if part is not None and not isinstance(part, str):
            own = _chosen(chosen, columns)
            _look(part, own, own, found)
    for part in _inner(step):
        _look(part, columns, names, found)
    _told(step, columns, found)


def _told(step: Any, columns: list[str], found: dict[str, Any]) -> None:
    categories, filled = getattr(step, "categories_", None), getattr(step, "statistics_", None)
    if isinstance(categories, list) and len(categories) == len(columns):
        for column, known in zip(columns, categories, strict=True):
            if known.dtype.kind in "OUT" and any(isinstance(word, str) for word in known):
                found.setdefault(column, next((word for word in known if not isinstance(word, str)), ""))
    if filled is not None and len(filled) == len(columns) and hasattr(step, "missing_values"):
        for column, value in zip(columns, filled, strict=True):
            if isinstance(value, str):
                found.setdefault(column, step.missing_values)


def _chosen(chosen: Any, columns: list[str]) -> list[str]:
    """The columns that a part of a column transformer takes, however it names them."""
    if isinstance(chosen, slice):
        if isinstance(chosen.start, str) or isinstance(chosen.stop, str):
            first = columns.index(chosen.start) if chosen.start in columns else 0
            last = columns.index(chosen.stop) + 1 if chosen.stop in columns else len(columns)
            return columns[first : last : chosen.step]
        return columns[chosen]
    listed = [chosen] if isinstance(chosen, str | int) else list(chosen)
    if listed and all(type(one).__name__ in ("bool", "bool_") for one in listed):
        return [column for column, taken in zip(columns, listed, strict=False) if taken]
    return [one if isinstance(one, str) else columns[int(one)] for one in listed]
