"""What is around the model: words to numbers before it, numbers to a topic after it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from mlserve.runtime import Processor

LENGTH = 64
"""Words of a text that are looked at."""
WORD = re.compile(r"[a-z]{2,}")


class Tokenizer(Processor):
    """Takes ``text``; gives ``ids``, the number of each known word, 0 for the others and for the end."""

    def load(self, path: Path, config: dict[str, Any]) -> None:
        self.numbers = {word: number for number, word in enumerate(path.read_text().split(), 1)}

    def metadata(self) -> dict[str, Any]:
        return {
            "inputs": [{"name": "text", "type": "string", "shape": [-1]}],
            "outputs": [{"name": "ids", "type": "long", "shape": [-1, LENGTH]}],
        }

    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        ids = np.zeros((len(inputs["text"]), LENGTH), dtype=np.int64)
        for row, text in zip(ids, inputs["text"], strict=True):
            words = WORD.findall(str(text).lower())[:LENGTH]
            row[: len(words)] = [self.numbers.get(word, 0) for word in words]
        return {"ids": ids}


class Label(Processor):
    """Takes the ``scores`` of all topics; gives the best ``topic`` and its ``score``."""

    def load(self, path: Path, config: dict[str, Any]) -> None:
        self.topics = np.array(config["topics"], dtype=object)

    def metadata(self) -> dict[str, Any]:
        return {
            "inputs": [{"name": "scores", "type": "float", "shape": [-1, len(self.topics)]}],
            "outputs": [
                {"name": "topic", "type": "string", "shape": [-1]},
                {"name": "score", "type": "float", "shape": [-1]},
            ],
        }

    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        scores = inputs["scores"]
        return {"topic": self.topics[scores.argmax(axis=1)], "score": scores.max(axis=1)}
