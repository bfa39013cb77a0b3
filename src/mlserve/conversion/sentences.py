"""Texts to ask a model of texts: of its own words, and of what tells one way to find words from another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_COUNT = 300
_USUAL = ("the", "a", "I", "not", "very", "good", "bad", "film", "2024", "x1", "word_two")
_ODD = (
    "", " ", "a", "a b c", "Don't STOP!", "naïve café, Ünïcode", "mail@example.org", "3.14 and 1,000",
    "snake_case-dash", "line\nbreak\tand tab", "日本語 テキスト", "привет МИР", "so… 'quoted' (twice)", "😀 fine",
    "straße STRASSE", "co-operate",
)  # fmt: skip


def sentences(vectorizers: Sequence[Any], seed: int = 7) -> tuple[str, ...]:
    """Sentences of the words that the vectorizers have learned, and some that few of them expect."""
    rng = np.random.default_rng(seed)
    known = sorted({str(word) for one in vectorizers for word in getattr(one, "vocabulary_", ())})
    words = np.array([*(known or _USUAL), *_USUAL], dtype=np.object_)
    made = []
    for number in range(_COUNT):
        chosen = [str(word) for word in rng.choice(words, int(rng.integers(1, 14)))]
        text = " ".join(chosen)
        made.append((text, text.capitalize() + ".", text.upper() + "!", ", ".join(chosen))[number % 4])
    return (*made, *_ODD)
