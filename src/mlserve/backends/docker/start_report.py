"""What the program in a container tells of its start: taken from its output while it starts, kept in a file."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from mlserve.backends.docker import container_calls
from mlserve.backends.docker.engine import Engine
from mlserve.backends.docker.output import Lines
from mlserve.backends.report import Report, ReportFile
from mlserve.backends.run import Listener
from mlserve.errors import MlserveError

log = logging.getLogger(__name__)


class StartReport:
    """The report of one run. Those that an earlier hub has read are in its file."""

    def __init__(self, engine: Engine, directory: Path, listener: Listener) -> None:
        self._engine, self._listener = engine, listener
        self._path = directory / "report.jsonl"
        self._told = ReportFile(self._path)
        self._told.refresh()
        self._following: asyncio.Task[None] | None = None

    @property
    def report(self) -> Report:
        """What was told so far."""
        return self._told.report

    def begin(self) -> None:
        """A new start tells anew."""
        self.close()
        self._path.unlink(missing_ok=True)
        self._told = ReportFile(self._path)

    def follow(self, container: str, since: float | None = None) -> None:
        """Read on in a container's output until it has told that it is ready, or has failed."""
        self.close()
        self._following = asyncio.create_task(self._follow(container, since), name=f"report of {container[:12]}")

    def refresh(self) -> bool:
        """Take in what is new."""
        return self._told.refresh()

    def take(self, reports: Sequence[str]) -> None:
        """The whole of it, as the container left it."""
        if reports:
            self.begin()
            self._write(reports)

    def close(self) -> None:
        """Read no further."""
        if self._following:
            self._following.cancel()
            self._following = None

    async def _follow(self, container: str, since: float | None) -> None:
        pieces = self._engine.stream(container_calls.following(container, since))
        lines = Lines()
        try:
            async for piece in pieces:
                self._write([line.report for line in lines.feed(piece) if line.report])
                if self.report.ready_at or self.report.failure:
                    return
        except MlserveError as exc:
            log.info("the output of container %s can't be followed: %s", container[:12], exc)
        finally:
            await pieces.aclose()

    def _write(self, reports: Sequence[str]) -> None:
        if not reports:
            return
        try:
            with self._path.open("a") as file:
                file.write("".join(f"{report}\n" for report in reports))
        except OSError as exc:  # a full disk keeps nobody from starting
            log.warning("what %s reports can't be kept: %s", self._path.parent.name, exc)
        self._told.refresh()
        self._listener.noticed()
