"""A browser without a window, told what to do over its DevTools protocol."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.waiting import SECONDS

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Tab:
    """One page."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._asked = socket, 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._asked += 1
        self._socket.send(json.dumps({"id": self._asked, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._socket.recv(timeout=30))
            if told.get("id") == self._asked:
                assert "error" not in told, told
                found: dict[str, Any] = told["result"]
                return found

    def value(self, expression: str) -> Any:
        """What JavaScript makes of it."""
        found = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        return found["result"].get("value")

    def until(self, expression: str, seconds: float = SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not self.value(expression):
            assert time.monotonic() < deadline, (expression, self.value("document.body.innerText"))
            time.sleep(0.05)


@contextmanager
def tab(home: Path) -> Iterator[Tab]:
    """A page of a fresh browser, which ends with it."""
    assert PROGRAM
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    process = subprocess.Popen(
        [PROGRAM, *options, "--remote-debugging-port=0", f"--user-data-dir={home / 'browser'}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with connect(_address(home / "browser" / "DevToolsActivePort"), max_size=None) as socket:
            yield Tab(socket)
    finally:
        process.terminate()
        process.wait(20)


def _address(told: Path, seconds: float = SECONDS) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError, IndexError, httpx.HTTPError, StopIteration):
            pages = httpx.get(f"http://127.0.0.1:{told.read_text().split()[0]}/json").json()
            return str(next(page for page in pages if page["type"] == "page")["webSocketDebuggerUrl"])
        time.sleep(0.05)
    raise AssertionError("the browser did not start")
