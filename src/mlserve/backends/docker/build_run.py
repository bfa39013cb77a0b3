"""One build of the engine's classic builder, followed line by line."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlserve.backends.docker import build_failures
from mlserve.images.context import Entry, archive
from mlserve.images.recipe import Recipe

_KEPT_LINES = 40
_NOISE = (" --->", "Removing intermediate container")
_STEP = re.compile(r"Step \d+/\d+ : ")


@dataclass
class Run:
    """A build to be run once, in a thread of its own."""

    recipe: Recipe
    context: Iterator[Entry]
    fresh: bool = False
    unwanted: threading.Event = field(default_factory=threading.Event)
    """Nobody waits for it any more."""
    step: str = ""
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT_LINES))

    def build(self, client: Any, say: Callable[[str], object]) -> str:
        """The id of the image; raises BuildFailed."""
        stream = client.api.build(
            fileobj=archive(self.context), custom_context=True, decode=True, rm=True, forcerm=True, timeout=None,
            nocache=self.fresh, network_mode="none" if self.recipe.offline else None,
        )  # fmt: skip
        made, error = "", "the engine ended the build"
        for event in stream:
            if self.unwanted.is_set():
                break  # letting go of the connection ends the build
            error = _error(event) or error  # the stream ends with it
            made = str((event.get("aux") or {}).get("ID") or made)
            for line in _text(event):
                self._note(line)
                say(line)
        if not made:
            raise build_failures.failed(self.recipe, self.step, list(self.lines), error)
        return made

    def _note(self, line: str) -> None:
        if _STEP.match(line):
            self.step = _STEP.sub("", line)
            self.lines.clear()
        else:
            self.lines.append(line)


def _error(event: Mapping[str, Any]) -> str:
    return str(event.get("error") or (event.get("errorDetail") or {}).get("message") or "")


def _text(event: Mapping[str, Any]) -> Iterator[str]:
    """The lines of an event that say something to a person."""
    lines = (line.rstrip() for line in str(event.get("stream") or "").splitlines())
    yield from (line for line in lines if line and not line.startswith(_NOISE))
