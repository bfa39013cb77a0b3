"""A constant load on one endpoint: bounded in time and in rate, every answer counted."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
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
    marked: bool = False
    """A fallback gave it, and says so."""


class Failed:
    """Failed requests. Equal to a list of the same; shown in a line or four, however many there are."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = list(answers)

    def __eq__(self, other: object) -> bool:
        return self._answers == (other._answers if isinstance(other, Failed) else other)

    __hash__ = None  # type: ignore[assignment]  # as a list has none

    def __iter__(self) -> Iterator[Answer]:
        return iter(self._answers)

    def __len__(self) -> int:
        return len(self._answers)

    def __repr__(self) -> str:
        return "\n  ".join(self.shown())

    def shown(self) -> list[str]:
        """How many, over how long, and the first of them, a line each."""
        if not self._answers:
            return ["no failed requests"]
        span = self._answers[-1].at - self._answers[0].at
        first = [f"{one.status} after {one.seconds:.3f} s: {one.detail.strip()}" for one in self._answers[:3]]
        return [f"{len(self)} failed requests within {span:.3f} s, the first:", *first]


@dataclass
class Load:
    """Sends requests over ``connections`` keep-alive connections until it is left or ``limit`` seconds are over.

    A connection that breaks is a failed request and is opened anew, after a pause. ``tls``: whom to trust, by https.
    """

    endpoint: str
    token: str
    body: bytes
    connections: int = 8
    pause: float = 0.005
    limit: float = 110.0
    tls: ssl.SSLContext | None = None
    renewed_after: int = 0
    """So many requests go over a connection; 0: as many as it lives for."""
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

    def wait_for(self, more: int, seconds: float = 60.0) -> None:
        """Until so many more requests were answered with 200."""
        wanted, deadline = len(self.good()) + more, time.monotonic() + seconds
        while len(self.good()) < wanted:
            if time.monotonic() > deadline:
                raise AssertionError(f"the load gets no answers: {self.answers[-3:]}")
            time.sleep(0.02)

    def good(self) -> list[Answer]:
        """The requests that were answered with 200."""
        return [answer for answer in list(self.answers) if answer.status == 200]

    def failed(self) -> Failed:
        """The other ones."""
        return Failed([answer for answer in list(self.answers) if answer.status != 200])

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
            await asyncio.sleep(max(self.pause, 0.02))

    async def _requests(self) -> None:
        url = urlsplit(self.endpoint)
        reader, writer = await asyncio.open_connection(url.hostname, url.port, ssl=self.tls)
        head = f"POST {url.path} HTTP/1.1\r\nhost: {url.netloc}\r\nauthorization: {self.token}\r\n"
        request = (
            f"{head}content-type: application/json\r\ncontent-length: {len(self.body)}\r\n\r\n".encode() + self.body
        )
        try:
            for number in itertools.count(1):
                began = time.monotonic()
                writer.write(request)
                status, detail, marked, last = await asyncio.wait_for(_answer(reader), 30)
                now = time.monotonic()
                self.answers.append(Answer(now, status, now - began, detail, marked))
                if last or number == self.renewed_after or self._ended():
                    return
                await asyncio.sleep(self.pause)
        finally:
            writer.close()

    def _ended(self) -> bool:
        return self._over.is_set() or time.monotonic() - self._began > self.limit


async def _answer(reader: asyncio.StreamReader) -> tuple[int, str, bool, bool]:
    """Status, how the body begins, whether a fallback gave it, whether the server closes the connection after it."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split()[1])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    detail = body[:200].decode(errors="replace")
    return status, detail, "x-mlserve-fallback" in headers, headers.get("connection", "").lower() == "close"


def percentile(values: Sequence[float], percent: int) -> float:
    """A percentile, by rank; 0 where there are no values."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else 0.0
