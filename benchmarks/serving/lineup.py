"""Servers of one model, all started and checked, that take turns: those not asked rest."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.serving import http_load
from benchmarks.serving.answers import ask, until_right
from benchmarks.serving.http_load import Count
from benchmarks.serving.models import Model
from benchmarks.serving.processes import Server, free_port
from benchmarks.serving.samples import Sample

if TYPE_CHECKING:
    from benchmarks.peers.base import Peer

_WARM = 5


@dataclass(frozen=True)
class Contender:
    """A peer and its running server."""

    peer: Peer
    server: Server
    model: Model
    folder: Path

    @property
    def name(self) -> str:
        return self.peer.name

    def measured(self, load: Callable[[Contender], Count]) -> Sample:
        """Its turn: a few requests to wake it, then the load."""
        for _ in range(_WARM):
            ask(self.server.launch.port, self.peer.request(self.model, self.peer.formats[0]), self.model)
        before = self.server.cpu_seconds()
        count = load(self)
        spent = self.server.cpu_seconds() - before
        return Sample(count.rps, count.p50, count.p99, spent * 1e6 / max(count.requests, 1), count.errors)

    def closed(self, kind: str, connections: int, seconds: int) -> Count:
        """wrk against it."""
        request = self.peer.request(self.model, kind)
        return http_load.run(self._script(kind), f"{self.url}{request.path}", connections, seconds)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.launch.port}"

    def _script(self, kind: str) -> Path:
        folder = self.folder / f"wrk-{kind}"
        if not folder.exists():
            folder.mkdir()
            http_load.script(self.peer.request(self.model, kind), folder)
        return folder / "request.lua"


@contextmanager
def serving(peer: Peer, python: Path, model: Model) -> Iterator[tuple[Contender, float]]:
    """One server from its start to its end, and the seconds to its first right answer in every format it takes."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        place = Path(folder)
        server = Server(peer.launch(python, model, place, free_port), place)
        try:
            first, *others = [kind for kind in peer.formats if kind != "grpc"]
            seconds = until_right(server, peer.request(model, first), model)
            for kind in others:
                ask(server.launch.port, peer.request(model, kind), model)
            server.settle()
            yield Contender(peer, server, model, place), seconds
        finally:
            server.stop()


@contextmanager
def lineup(peers: Sequence[tuple[Peer, Path]], model: Model) -> Iterator[list[Contender]]:
    """All of them at once."""
    with ExitStack() as stack:
        yield [stack.enter_context(serving(peer, python, model))[0] for peer, python in peers]
