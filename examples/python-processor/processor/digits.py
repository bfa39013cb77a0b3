"""Read handwritten digits by the most similar known ones, and say when none is similar enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlserve.runtime import InvalidInput, Processor


class Digits(Processor):
    """Takes ``pixels``, 8×8 images row by row, 0 to 16; answers ``digit``, ``sure`` and the ``distance`` behind it."""

    def load(self, path: Path, config: dict[str, Any]) -> None:
        import numpy as np
        from sklearn.neighbors import KNeighborsClassifier

        known = np.load(path)
        self.sure_within = float(config.get("sure_within", 25))
        self.model = KNeighborsClassifier(config.get("neighbours", 3)).fit(known["images"], known["labels"])

    def metadata(self) -> dict[str, Any]:
        return {
            "inputs": [{"name": "pixels", "type": "float", "shape": [-1, 64]}],
            "outputs": [
                {"name": "digit", "type": "long", "shape": [-1]},
                {"name": "sure", "type": "boolean", "shape": [-1]},
                {"name": "distance", "type": "double", "shape": [-1]},
            ],
        }

    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        pixels = inputs["pixels"]
        if pixels.min() < 0 or pixels.max() > 16:
            raise InvalidInput("pixels are from 0 (white) to 16 (black)")
        distance = self.model.kneighbors(pixels, n_neighbors=1)[0][:, 0]
        return {
            "digit": self.model.predict(pixels).astype("int64"),
            "sure": distance <= self.sure_within,
            "distance": distance,
        }
