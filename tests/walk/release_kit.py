"""A program that says which version it is, and fails, dies or dawdles as it is told, as a service to be released."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

PROGRAM = """
import os, signal, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROOM = threading.BoundedSemaphore(int(os.environ.get("ROOM", "1000")))

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self.say(200)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if "CRASH" in os.environ:
            os._exit(3)
        if not ROOM.acquire(blocking=False):
            return self.say(503, full=True)
        time.sleep(float(os.environ.get("SECONDS", "0")))
        ROOM.release()
        self.say(int(os.environ.get("STATUS", "200")))

    def say(self, status, full=False):
        body = os.environ["WHO"].encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        if full:
            self.send_header("x-mlserve-overloaded", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

class Server(ThreadingHTTPServer):
    request_queue_size = 128

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
time.sleep(float(os.environ.get("LATE", "0")))
Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def descriptor(folder: Path, who: str, release: Mapping[str, Any] | None = None, **more: Any) -> Path:
    """A descriptor's file; ``environment`` in ``more`` is what the program is told."""
    code = folder / "code"
    code.mkdir(exist_ok=True)
    (code / "app.py").write_text(PROGRAM)
    environment = {"WHO": who, **more.pop("environment", {})}
    metadata = {"instance": 1, "cpu": 0.1, "memory": 64, **more.pop("metadata", {})}
    written = {
        "name": "shop",
        "command": f"{sys.executable} app.py $PORT",
        "processor_path": str(code),
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "metadata": {**metadata, "eas.termination_grace_period": 5, "rpc.keepalive": 5000},
        **({"release": release} if release else {}),
        **more,
    }
    path = folder / f"{who}.json"
    path.write_text(json.dumps(written))
    return path


def ask(service: Any) -> str:
    """Which version answers."""
    request = Request(service.endpoint, b"{}", {"Authorization": service.token})
    with urlopen(request, timeout=10) as answer:
        return str(answer.read().decode())
