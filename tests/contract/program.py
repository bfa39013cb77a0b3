"""A program to serve in tests of backends; BEHAVIOUR in its environment says what it does. Standard library only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    """200 for everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["MLSERVE_INSTANCE"].encode())

    def log_message(self, *_: object) -> None:
        """Say nothing: the log is for the test."""


def listen(port: int) -> None:
    HTTPServer((os.environ.get("ADDRESS", "127.0.0.1"), port), Handler).serve_forever()


def report(**entry: object) -> None:
    """Tell the hub something, in its file or, as "-" says, among the output."""
    text = json.dumps({"at": time.time(), **entry}) + "\n"
    path = os.environ["MLSERVE_REPORT"]
    if path == "-":
        sys.stdout.write("\x1e" + text)
        sys.stdout.flush()
        return
    with Path(path).open("a") as file:
        file.write(text)


def serve() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("serving", flush=True)
    listen(int(os.environ["PORT"]))


def stubborn() -> None:
    """Serves, and takes no hint to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    listen(int(os.environ["PORT"]))


def leave() -> None:
    print("leaving", flush=True)
    sys.exit(3)


def refuse() -> None:
    failure = {"cause": "load-exception", "reason": "no such weights", "hint": "look again", "retryable": False}
    report(phase="load", state="running")
    report(failure=failure)
    sys.exit(70)


def early() -> None:
    """Answers before it has said that it is ready; JUDGED says what it says then."""
    report(phase="load", state="running")
    threading.Thread(target=listen, args=(int(os.environ["PORT"]),), daemon=True).start()
    time.sleep(1.5)
    if os.environ["JUDGED"] == "bad":
        report(failure={"cause": "load-exception", "reason": "no model", "hint": "look again", "retryable": False})
        time.sleep(1.5)  # a server that ends slowly, and answers meanwhile
        sys.exit(0)
    report(facts={"warnings": ["one is bad"]})
    report(phase="ready")
    time.sleep(600)


def silent() -> None:
    time.sleep(600)


def elsewhere() -> None:
    """Listens at a port nobody asked for."""
    listen(int(os.environ["OTHER_PORT"]))


def hog() -> None:
    held = []
    while True:
        held.append(bytearray(os.urandom(1 << 20)) * 4)
        time.sleep(0.005)


def parent() -> None:
    """Serves, and has children of all sorts: in its group, and one that went its own way."""
    subprocess.Popen(["sleep", "611"])
    subprocess.Popen(["sleep", "612"], start_new_session=True)
    subprocess.run(["sh", "-c", "sleep 613 & exit"], start_new_session=True, check=True)
    serve()


def chatter() -> None:
    for number in range(int(os.environ["LINES"])):
        print(f"line {number} " + "x" * 80)
    print("y" * 40000)
    sys.stdout.flush()
    serve()


def closed() -> None:
    """Serves after closing its output."""
    os.close(1)
    os.close(2)
    serve_quietly()


def serve_quietly() -> None:
    listen(int(os.environ["PORT"]))


if __name__ == "__main__":
    globals()[os.environ["BEHAVIOUR"]]()
