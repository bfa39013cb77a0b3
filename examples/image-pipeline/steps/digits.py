"""What is around the network: a picture of any size to 8×8 numbers before it, scores to a digit after it."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlserve.runtime import Processor

SIZE = 8


class Prepare(Processor):
    """Takes ``image``, dark ink on light paper, grey, of any size; gives ``pixels``, how much ink there is, 0 to 1."""

    def metadata(self) -> dict[str, Any]:
        return {
            "inputs": [{"name": "image", "type": "uint8", "shape": [-1, -1, -1, 1]}],
            "outputs": [{"name": "pixels", "type": "float", "shape": [-1, 1, SIZE, SIZE]}],
        }

    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        ink = 1 - inputs["image"][..., 0].astype(np.float32) / 255
        down, across = (averaging(size) for size in ink.shape[1:])
        return {"pixels": (down @ ink @ across.T)[:, None]}


def averaging(size: int) -> np.ndarray:
    """The matrix that makes SIZE numbers of ``size`` ones, each the mean of what lies under it."""
    edges = np.linspace(0, size, SIZE + 1)
    cells = np.arange(size)
    covered = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    return (covered.clip(0) * SIZE / size).astype(np.float32)


def label(scores: np.ndarray) -> dict[str, Any]:
    """The digit of each row, and how sure the network is."""
    return {"digit": scores.argmax(axis=1), "score": scores.max(axis=1)}
