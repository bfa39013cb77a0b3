"""Ask a server once, and hold its numbers against those of ONNX Runtime in process."""

from __future__ import annotations

import http.client
import time
from typing import TYPE_CHECKING

from benchmarks.serving.models import Model

if TYPE_CHECKING:
    from benchmarks.peers.base import Request
    from benchmarks.serving.processes import Server

_NEAR = 1e-3


class Wrong(Exception):
    """It answered, but not what the model says."""


def ask(port: int, request: Request, model: Model) -> None:
    """One request; raises OSError or http.client.HTTPException while nobody listens, Wrong for any other answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", request.path, request.body, dict(request.headers))
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise Wrong(f"{answer.status}: {body[:300]!r}")
        headers = {name.lower(): value for name, value in answer.getheaders()}
        compare(request.numbers(body, headers), model)
    finally:
        connection.close()


def compare(numbers: object, model: Model) -> None:
    """Raise Wrong unless the numbers are the model's."""
    got, wanted = list(numbers), model.wanted  # type: ignore[call-overload]
    if len(got) != len(wanted) or any(abs(a - b) > _NEAR * max(1, abs(b)) for a, b in zip(got, wanted, strict=False)):
        raise Wrong(f"{model.name}: {got[:5]} where ONNX Runtime says {list(wanted)[:5]}")


def until_right(server: Server, request: Request, model: Model, patience: float = 90.0) -> float:
    """Seconds from the start of the server to its first right answer."""
    last: Exception | None = None
    while time.perf_counter() - server.began < patience:
        try:
            ask(server.launch.port, request, model)
        except (OSError, http.client.HTTPException, Wrong) as exc:
            last = exc
        else:
            return time.perf_counter() - server.began
        if server.ended:
            break
        time.sleep(0.002)
    tail = "\n".join(line[:300] for line in server.log.read_text(errors="replace").splitlines()[-60:])
    raise SystemExit(f"{' '.join(server.launch.command)}: no right answer ({last!r})\n{tail}")
