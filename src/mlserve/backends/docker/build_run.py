"""One build of the engine's classic builder, followed line by line."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mlserve.backends.docker import build_failures
from mlserve.backends.docker.streams import close_soon
from mlserve.errors import BuildFailed
from mlserve.images.context import Entry, archive
from mlserve.images.recipe import Recipe

_KEPT_LINES = 40
_NOISE = (" --->", "Removing intermediate container")
_STEP = re.compile(r"Step \d+/\d+ : ")
_STEP_LENGTH = 200
"""Characters of a step that are shown: what the runtime is told is thousands, and nothing to read."""


@dataclass
class Run:
    """A build to be run once, in a thread of its own."""

    recipe: Recipe
    context: Iterator[Entry]
    fresh: bool = False
    step: str = ""
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT_LINES))
    _unwanted: threading.Event = field(default_factory=threading.Event)
    _answer: Any = None

    def build(self, client: Any, say: Callable[[str], object]) -> str:
        """The id of the image; raises BuildFailed."""
        made, error = "", "the engine ended the build"
        for event in self._begun(client):
            error = _error(event) or error  # the stream ends with it
            made = str((event.get("aux") or {}).get("ID") or made)
            for line in _text(event):
                self._note(line)
                say(_shown(line))
        if not made:
            raise build_failures.failed(self.recipe, self.step, list(self.lines), error)
        return made

    def give_up(self) -> None:
        """Nobody waits for it any more: letting go of the connection is what makes the engine end it."""
        self._unwanted.set()
        if self._answer is not None:
            close_soon(self._answer)

    def _begun(self, client: Any) -> Any:
        from docker.types import CancellableStream

        with _answers(client.api) as found:
            events = client.api.build(
                fileobj=self._sent(), custom_context=True, decode=True, rm=True, forcerm=True, timeout=None,
                nocache=self.fresh, network_mode="none" if self.recipe.offline else None,
            )  # fmt: skip
        self._answer = CancellableStream(events, found[-1])
        if self._unwanted.is_set():
            self.give_up()
        return events

    def _sent(self) -> Iterator[bytes]:
        for piece in archive(self.context):
            if self._unwanted.is_set():
                raise BuildFailed(f"the image {self.recipe.tag} is not wanted any more")
            yield piece

    def _note(self, line: str) -> None:
        if _STEP.match(line):
            self.step = _STEP.sub("", line)
            self.lines.clear()
        else:
            self.lines.append(line)


@contextmanager
def _answers(api: Any) -> Iterator[list[Any]]:
    """The engine's answers to this thread: of a build the SDK returns its lines alone, which can't be let go of."""
    found: list[Any] = []
    thread = threading.get_ident()

    def keep(answer: Any, **_: Any) -> None:
        if threading.get_ident() == thread:
            found.append(answer)

    api.hooks["response"].append(keep)
    try:
        yield found
    finally:
        api.hooks["response"].remove(keep)


def _error(event: Mapping[str, Any]) -> str:
    return str(event.get("error") or (event.get("errorDetail") or {}).get("message") or "")


def _shown(line: str) -> str:
    return f"{line[:_STEP_LENGTH]}…" if _STEP.match(line) and len(line) > _STEP_LENGTH else line


def _text(event: Mapping[str, Any]) -> Iterator[str]:
    """The lines of an event that say something to a person."""
    lines = (line.rstrip() for line in str(event.get("stream") or "").splitlines())
    yield from (line for line in lines if line and not line.startswith(_NOISE))
