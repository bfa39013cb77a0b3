"""Where an engine's own arguments name files: the model repositories in ``processor_params``. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

ENGINES = ("triton",)
"""Processors that are server programs of their own: they take processor_params and find their models through them."""
OPTIONS = ("--model-repository", "--model-store")
"""Two names for the same."""


def repositories(processor: Any, params: Any) -> Iterator[tuple[int, str]]:
    """Each repository: the place among the params of the item that holds its address, and the address."""
    if processor not in ENGINES or not isinstance(params, list | tuple):
        return
    before = ""
    for place, word in enumerate(params):
        if not isinstance(word, str):
            continue
        name, equals, value = word.partition("=")
        if name in OPTIONS and equals and value:
            yield place, value
        elif before in OPTIONS and not word.startswith("--"):
            yield place, word
        before = word


def read_by_the_server(params: Sequence[str], address: str) -> bool:
    """Whether the server itself reads a repository: one that it looks at again and again for changes."""
    words = [*params, ""]
    polls = "--model-control-mode=poll" in words
    polls = polls or any(words[i : i + 2] == ["--model-control-mode", "poll"] for i in range(len(words)))
    return polls and address.startswith("s3://")
