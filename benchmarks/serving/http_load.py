"""A closed loop over HTTP/1.1 with wrk: so many connections, each asking again as soon as it is answered."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.peers.base import Request

_SCRIPT = """
local file = io.open({body}, "rb")
wrk.method, wrk.body = "POST", file:read("*a")
file:close()
{headers}
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('\\n{{"requests": %d, "micros": %d, "p50": %d, "p99": %d, "errors": %d}}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


@dataclass(frozen=True)
class Count:
    """What a load program counted."""

    requests: int
    seconds: float
    p50: float
    """Milliseconds, as p99."""
    p99: float
    errors: int

    @property
    def rps(self) -> float:
        return self.requests / self.seconds


def need(program: str, package: str) -> str:
    """A load program's path; says what to install where it is missing."""
    found = shutil.which(program)
    if found is None:
        raise SystemExit(f"{program} is not installed; for instance: apt install {package}")
    return found


def script(request: Request, folder: Path) -> Path:
    """What wrk reads: the body and headers of the request."""
    (folder / "body").write_bytes(request.body)
    headers = "\n".join(f"wrk.headers[{_text(name)}] = {_text(value)}" for name, value in request.headers.items())
    path = folder / "request.lua"
    path.write_text(_SCRIPT.format(body=_text(str(folder / "body")), headers=headers))
    return path


def run(lua: Path, url: str, connections: int, seconds: int) -> Count:
    """One run; bounded beyond its own time."""
    command = [need("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(lua), url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=True)
    told = json.loads(done.stdout.strip().splitlines()[-1])
    return Count(told["requests"], told["micros"] / 1e6, told["p50"] / 1000, told["p99"] / 1000, told["errors"])


def _text(word: str) -> str:
    return json.dumps(word)
