"""What is kept of containers that are gone: their last lines, in the files where all backends keep logs."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlserve.backends.aside import aside
from mlserve.backends.docker import container_calls
from mlserve.backends.docker.engine import Engine
from mlserve.backends.docker.output import Written, is_log

log = logging.getLogger(__name__)

LAST = 40


@dataclass(frozen=True, slots=True)
class Kept:
    """The last lines for people, and all that was reported."""

    last: Sequence[str]
    report: Sequence[str]


class Remains:
    """The log files of one instance."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self._engine, self._directory = engine, directory

    async def keep(self, containers: Sequence[str]) -> Kept:
        """Put the output of an instance's containers into its files; that of the run before becomes the previous."""
        outputs = [await container_calls.output(self._engine, container) for container in containers]
        return await aside(lambda: self._kept(outputs))

    def _kept(self, outputs: Sequence[Sequence[Written]]) -> Kept:
        lines = list(heapq.merge(*_marked(outputs), key=lambda line: line.stamp))
        texts = [line for line in lines if is_log(line)]
        try:
            self._write(texts)
        except OSError as exc:  # a full disk keeps nobody from ending and starting instances
            log.warning("the log of %s can't be kept: %s", self._directory.name, exc)
        return Kept([line.text for line in texts][-LAST:], [line.report for line in lines if line.report])

    def _write(self, lines: Sequence[Written]) -> None:
        current = self._directory / "current.log"
        if current.exists():
            current.replace(self._directory / "previous.log")
        current.write_text("".join(f"{line.stamp} {line.text}\n" for line in lines), errors="replace")


def _marked(outputs: Sequence[Sequence[Written]]) -> Iterable[Sequence[Written]]:
    """The lines of further containers say which one wrote them."""
    for part, lines in enumerate(outputs, 1):
        yield lines if part == 1 else [Written(one.stamp, f"[{part}] {one.text}", one.report) for one in lines]
