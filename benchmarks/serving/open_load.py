"""Open arrivals at a given rate, by the small C program beside this file; see there how latency is counted."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.serving.environments import work_folder
from benchmarks.serving.http_load import Count

if TYPE_CHECKING:
    from benchmarks.peers.base import Request

SOURCE = Path(__file__).with_name("open_load.c")


def program() -> Path:
    """The compiled program, made once for each state of its source."""
    place = work_folder() / f"open-load-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]}"
    if not place.exists():
        compiler = shutil.which("cc")
        if compiler is None:
            raise SystemExit("open arrivals need a C compiler: apt install gcc, or leave out the section `open`")
        subprocess.run([compiler, "-O2", "-o", place, SOURCE, "-lm"], check=True, timeout=60)
    return place


def run(request: Request, port: int, rate: float, seconds: int, connections: int, seed: int, folder: Path) -> Count:
    """One run; what was not answered five seconds after its end counts as an error."""
    path = folder / "request"
    path.write_bytes(whole(request))
    words = (str(port), str(path), f"{rate:.3f}", str(seconds), str(connections), str(seed))
    done = subprocess.run([program(), *words], capture_output=True, text=True, timeout=seconds + 30, check=False)
    if done.returncode:
        return Count(0, seconds, 0.0, 0.0, 1)
    told = json.loads(done.stdout)
    wrong = told["errors"] + told["unanswered"]
    return Count(told["requests"], seconds, told["p50"] / 1000, told["p99"] / 1000, wrong)


def whole(request: Request) -> bytes:
    """Head and body as they go over the wire."""
    headers = {"host": "127.0.0.1", **request.headers, "content-length": str(len(request.body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {request.path} HTTP/1.1\r\n{lines}\r\n".encode() + request.body
