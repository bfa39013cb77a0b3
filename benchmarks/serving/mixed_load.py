"""Many kinds of requests at once on one instance: good ones in every format, odd bodies, clients that leave."""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.odd_bodies import odd_bodies
from benchmarks.peers.base import v2_json
from benchmarks.random_bodies import good_bodies
from benchmarks.serving import grpc_load, open_load
from benchmarks.serving.environments import environment
from benchmarks.serving.lineup import Contender

_BURST = 5


@dataclass
class Ledger:
    """What was sent and what failed; threads write, each to names of its own."""

    sent: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def note(self, kind: str, requests: int, errors: int = 0) -> None:
        self.sent[kind] += requests
        if errors:
            self.failed[kind] += errors


def start(one: Contender, end: float, ledger: Ledger, share: float = 1.0) -> list[threading.Thread]:
    """A thread for each kind, until that moment of the monotonic clock; ``share``: how much of the time each sends."""
    size = _grpc_size(one)
    loads: list[Callable[[], None]] = [
        lambda: _closed(one, "json", 2, ledger),
        lambda: _closed(one, "binary", 4, ledger),
        lambda: _grpc(one, size, ledger),
        lambda: _pictures(one, ledger),
        lambda: _odd(one, ledger),
        lambda: _leavers(one, ledger),
    ]
    threads = [threading.Thread(target=_until, args=(end, load, ledger, share)) for load in loads]
    for thread in threads:
        thread.start()
    return threads


def picture(pixels: Callable[[int], bytes], side: int) -> bytes:
    """A PNG of ``side`` rows, each of as many RGB pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + pixels(3 * side) for _ in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _until(end: float, load: Callable[[], None], ledger: Ledger, share: float) -> None:
    while (begun := time.monotonic()) < end:
        try:
            load()
            time.sleep((time.monotonic() - begun) * (1 / share - 1))
        except Exception as exc:  # noqa: BLE001 - counted and printed; the other loads go on
            ledger.failed[f"{type(exc).__name__}: {exc}"[:200]] += 1
            time.sleep(1)


def _closed(one: Contender, kind: str, connections: int, ledger: Ledger) -> None:
    count = one.closed(kind, connections, _BURST)
    ledger.note(kind, count.requests, count.errors)


def _grpc(one: Contender, size: int, ledger: Ledger) -> None:
    count = grpc_load.run(one.model, one.server.launch.port, 2, 2, _BURST, size)
    ledger.note("grpc", count.requests, count.errors)


def _grpc_size(one: Contender) -> int:
    """Of the right answer's frame."""
    client = environment("grpc-client", ("grpcio",))
    return len(grpc_load.frame(grpc_load.asked_once(client, one.server.launch.port, one.model)))


def _pictures(one: Contender, ledger: Ledger) -> None:
    connection = _connection(one)
    for _ in range(50):
        body = picture(random.randbytes, random.choice((32, 64, 200)))
        connection.request("POST", "/eval", body, {"content-type": "image/png"})
        answer = connection.getresponse()
        said = answer.read()
        ledger.note("pictures", 1)
        if answer.status != 200:
            ledger.failed[f"picture: {answer.status} {said[:150]!r}"] += 1
    connection.close()
    time.sleep(0.5)


def _odd(one: Contender, ledger: Ledger) -> None:
    connection = _connection(one)
    for odd in odd_bodies(one.model.name, good_bodies(one.model), 20, random.randrange(1 << 30)):
        connection.request("POST", odd.path, odd.body, odd.headers)
        answer = connection.getresponse()
        said = answer.read()
        ledger.note("odd bodies", 1)
        if answer.status >= 500 and answer.status != 503:
            ledger.failed[f"odd body: {answer.status} {said[:150]!r}"] += 1
    connection.close()
    time.sleep(0.2)


def _leavers(one: Contender, ledger: Ledger) -> None:
    """Clients that go in the middle of their request, or before its answer."""
    whole = open_load.whole(v2_json(one.model))
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", one.server.launch.port), timeout=5) as client:
            client.sendall(whole[: random.choice((10, 300, len(whole) // 2, len(whole)))])
        ledger.note("clients that left", 1)
    time.sleep(1)


def _connection(one: Contender) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", one.server.launch.port, timeout=30)
