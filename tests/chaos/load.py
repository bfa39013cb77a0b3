"""A constant load on one endpoint: bounded in time and in rate, every answer counted."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """One request: when it ended (monotonic seconds), what came (0: no answer), how long it took."""

    at: float
    status: int
    seconds: float
    detail: str = ""


@dataclass
class Load:
    """Sends requests over ``connections`` keep-alive connections until it is left or ``limit`` seconds are over.

    A connection that breaks is a failed request and is opened anew.
    """

    endpoint: str
    token: str
    body: bytes
    connections: int = 8
    pause: float = 0.005
    limit: float = 60.0
    answers: list[Answer] = field(default_factory=list)

    def __enter__(self) -> Load:
        self._over = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        self.wait_for(50)
        self.mark = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.wait_for(50)
        self._over.set()
        self._thread.join(timeout=30)

    def wait_for(self, more: int, seconds: float = 20.0) -> None:
        """Until so many more requests were answered with 200."""
        wanted, deadline = len(self.good()) + more, time.monotonic() + seconds
        while len(self.good()) < wanted:
            if time.monotonic() > deadline:
                raise AssertionError(f"the load gets no answers: {self.answers[-3:]}")
            time.sleep(0.02)

    def good(self) -> list[Answer]:
        """The requests that were answered with 200."""
        return [answer for answer in list(self.answers) if answer.status == 200]

    def failed(self) -> list[Answer]:
        """The other ones."""
        return [answer for answer in list(self.answers) if answer.status != 200]

    def longest_gap(self) -> float:
        """The longest time between two good answers, in seconds."""
        times = sorted(answer.at for answer in self.good())
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=float("inf"))

    def p99_ms(self, *, before: bool) -> float:
        """The 99th percentile of the good answers' times, before or after the trouble began."""
        seconds = [answer.seconds for answer in self.good() if (answer.at < self.mark) == before]
        return percentile(seconds, 99) * 1000

    async def _run(self) -> None:
        await asyncio.gather(*(self._connection() for _ in range(self.connections)))

    async def _connection(self) -> None:
        while not self._ended():
            try:
                await self._requests()
            except (OSError, asyncio.IncompleteReadError, ValueError) as exc:
                self.answers.append(Answer(time.monotonic(), 0, 0.0, repr(exc)))
                await asyncio.sleep(0.02)

    async def _requests(self) -> None:
        url = urlsplit(self.endpoint)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        head = f"POST {url.path} HTTP/1.1\r\nhost: {url.netloc}\r\nauthorization: {self.token}\r\n"
        request = (
            f"{head}content-type: application/json\r\ncontent-length: {len(self.body)}\r\n\r\n".encode() + self.body
        )
        try:
            while not self._ended():
                began = time.monotonic()
                writer.write(request)
                status, detail, last = await asyncio.wait_for(_answer(reader), 30)
                now = time.monotonic()
                self.answers.append(Answer(now, status, now - began, detail))
                if last:
                    return
                await asyncio.sleep(self.pause)
        finally:
            writer.close()

    def _ended(self) -> bool:
        return self._over.is_set() or time.monotonic() - self._began > self.limit


async def _answer(reader: asyncio.StreamReader) -> tuple[int, str, bool]:
    """Status, what an error says, and whether the server closes the connection after it."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split()[1])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    detail = "" if status == 200 else body[:200].decode(errors="replace")
    return status, detail, headers.get("connection", "").lower() == "close"


def percentile(values: Sequence[float], percent: int) -> float:
    """A percentile, by rank; 0 where there are no values."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else 0.0
