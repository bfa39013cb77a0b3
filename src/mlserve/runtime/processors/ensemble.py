"""Combine what several steps of a pipeline gave: the mean, a weighted mean, or the vote of most."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.processors.base import Arrays, Metadata, Place

REQUIREMENTS: tuple[str, ...] = ()
SUFFIXES: tuple[str, ...] = ()
ALIASES: tuple[str, ...] = ()


def create(place: Place) -> Ensemble:
    return Ensemble()


class Ensemble:
    """``model_config``: ``{"method": "mean" | "weighted" | "vote", "weights": {input: number}, "output": name}``."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}
        self._method = "mean"

    def load(self, path: Path, config: dict[str, Any]) -> None:
        self.config = config
        self._method = str(config.get("method", "weighted" if config.get("weights") else "mean"))
        if self._method not in _METHODS:
            words = ", ".join(_METHODS)
            raise StartFailure(
                "bad-entry", f'no method "{self._method}" of an ensemble (methods: {words})', "choose one"
            )

    def metadata(self) -> Metadata:
        return Metadata(platform="ensemble", open=True, rows=True)

    def predict(self, inputs: Arrays) -> Arrays:
        return {str(self.config.get("output", "output")): _METHODS[self._method](inputs, self.config.get("weights"))}


def _mean(inputs: Arrays, weights: Any) -> Any:
    arrays = list(inputs.values())
    total = arrays[0].astype(_floats(arrays))  # a copy: what is summed up into belongs to nobody else
    for array in arrays[1:]:
        total += array
    total /= len(arrays)
    return total


def _weighted(inputs: Arrays, weights: Any) -> Any:
    by_name = weights if isinstance(weights, dict) else dict(zip(inputs, weights, strict=True))
    arrays = list(inputs.values())
    total = arrays[0].astype(_floats(arrays)) * by_name[next(iter(inputs))]
    for name, array in list(inputs.items())[1:]:
        total += array * total.dtype.type(by_name[name])
    total /= sum(by_name.values())
    return total


def _vote(inputs: Arrays, weights: Any) -> Any:
    """The value that most inputs have, place by place; of equals, the one of the input that is named first."""
    import numpy as np

    arrays = list(inputs.values())
    counts = np.array([sum(one == other for other in arrays) for one in arrays])
    best = counts.argmax(axis=0)
    return np.choose(best, arrays) if arrays[0].dtype != np.object_ else _chosen(np, best, arrays)


def _chosen(np: Any, best: Any, arrays: list[Any]) -> Any:
    result = np.empty(arrays[0].shape, dtype=np.object_)
    for place in np.ndindex(result.shape):
        result[place] = arrays[best[place]][place]
    return result


def _floats(arrays: list[Any]) -> Any:
    import numpy as np

    kinds = {array.dtype for array in arrays}
    kind = kinds.pop() if len(kinds) == 1 else np.dtype(np.float64)
    return kind if kind.kind == "f" else np.dtype(np.float64)


_METHODS = {"mean": _mean, "weighted": _weighted, "vote": _vote}
