"""See what became of the models once the server answers, and tell: a process that ends when that is known.

It is not the server's parent, so that the server is the program itself, and not its child: that never waits for it.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlserve.triton.models import judged
from mlserve.triton.report import Report

_LOOK_SECONDS = 0.02
_LONGEST_LOOK = 0.5
_PATIENCE = 5.0


@dataclass(frozen=True)
class Watch:
    """Whom to watch: the process that is about to become the server, and the arguments it gets."""

    pid: int
    arguments: Sequence[str]
    report: Report


def leave_behind(watch: Watch) -> None:
    """Start the watcher, whose parent becomes whoever takes in orphans."""
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        return
    status = 1
    try:
        if os.fork() == 0:
            follow(watch)
        status = 0
    finally:
        os._exit(status)


def follow(watch: Watch) -> None:
    """Wait until the server answers, or is gone."""
    port = int(option(watch.arguments, "http-port") or 8000)
    pause = _LOOK_SECONDS
    while _lives(watch.pid):
        index = _index(port)
        if index is not None:
            _tell(watch, index, port)
            return
        time.sleep(pause)
        pause = min(pause * 1.02, _LONGEST_LOOK)


def option(arguments: Sequence[str], name: str) -> str | None:
    """The value of an option; the last, where it is given more than once."""
    found = [word.partition("=")[2] for word in arguments if word.startswith(f"--{name}=")]
    return found[-1] if found else None


def _tell(watch: Watch, index: list[dict[str, Any]], port: int) -> None:
    if not index and not _ready(port):
        reason = "the server could not read its model repository"
        watch.report.failure("load", "missing-model", reason, "the last lines of the log say which and why")
        os.kill(watch.pid, signal.SIGTERM)
        return
    explicit = option(watch.arguments, "model-control-mode") == "explicit"
    wanted = [word.partition("=")[2] for word in watch.arguments if word.startswith("--load-model=")]
    verdict = judged(index, only=None if not explicit or "*" in wanted else wanted)
    if verdict.fatal:
        watch.report.failure("load", verdict.cause, verdict.reason, verdict.hint, verdict.frames)
        os.kill(watch.pid, signal.SIGTERM)
        return
    watch.report.facts({"models": verdict.states, "warnings": verdict.warnings})
    watch.report.phase("load", "done")
    watch.report.ready()


def _index(port: int) -> list[dict[str, Any]] | None:
    """Empty where it does not say: its owner may have closed this question to strangers (--http-restricted-api)."""
    answer = _ask(port, "POST", "/v2/repository/index")
    if answer is None or answer[0] != 200:
        return None if answer is None else []
    told = json.loads(answer[1])
    return told if isinstance(told, list) else []


def _ready(port: int) -> bool:
    """Models are loaded before the server listens, so that one which listens and is not ready never will be.

    A health that is closed to strangers says nothing.
    """
    answer = _ask(port, "GET", "/v2/health/ready")
    return answer is not None and answer[0] in (200, 401, 403)


def _ask(port: int, method: str, path: str) -> tuple[int, bytes] | None:
    """None: nobody listens yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        connection.request(method, path, b"{}" if method == "POST" else None, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
