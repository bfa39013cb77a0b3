"""Evidence in, a named cause out: each way to die has its own sentence and its own next step."""

from __future__ import annotations

from typing import Any

import pytest

from mlserve.backends.base import Instance, State
from mlserve.errors import EnvironmentFailed, FetchFailed, InvalidInput, NoCapacity
from mlserve.hub import failures

DEAD = Instance("iris-1-a", "iris", 1, State.FAILED, phases=({"phase": "load", "state": "failed"},))

SOCKET = {"address": "127.0.0.1", "port": 5000}
CASES: list[tuple[dict[str, Any], str, str]] = [
    (
        {"oom": True, "exit": {"signal": "SIGKILL"}, "memory": {"limit_mb": 512, "peak_mb": 511.0}},
        "out-of-memory",
        "metadata.memory=1024",
    ),
    (
        {"report_failure": {"cause": "import-exception", "reason": "r", "hint": "do that"}, "exit": {"status": 70}},
        "import-exception",
        "do that",
    ),
    ({"hung": True, "exit": {"signal": "SIGKILL"}}, "probe-failed", "blocks"),
    (
        {"startup_timeout": True, "startup_seconds": 5, "listening": [SOCKET], "declared_port": 8080},
        "wrong-port",
        "PORT",
    ),
    ({"startup_timeout": True, "startup_seconds": 5, "listening": [], "declared_port": 8080}, "port-not-open", "PORT"),
    ({"startup_timeout": True, "startup_seconds": 5}, "startup-timeout", "startup_timeout"),
    ({"startup_timeout": True, "startup_seconds": 5, "listening": [], "phase": "load"}, "startup-timeout", "the log"),
    ({"exit": {"signal": "SIGSEGV"}}, "killed-by-signal", "native library"),
    ({"exit": {"signal": 9}}, "killed-by-signal", "memory"),
    ({"exit": {"status": 3}}, "exited", "log"),
    ({"exit": {"status": 127}}, "bad-entry", "command"),
    (
        {"exit": {"status": 1}, "log": ["ModuleNotFoundError: No module named 'flask.json'"]},
        "missing-library",
        '"flask"',
    ),
    ({"exit": {"status": 1}, "log": ["OSError: [Errno 28] No space left on device"]}, "disk-full", "disk"),
    ({"exit": {"status": 1}, "log": ["OSError: [Errno 98] Address already in use"]}, "wrong-port", "PORT"),
    ({"not_started": {"errno": 2, "error": "No such file", "path": "serve"}}, "bad-entry", "installed"),
    ({}, "unknown", "mlserve logs"),
]


@pytest.mark.parametrize(("evidence", "cause", "hint"), CASES, ids=[case[1] + str(n) for n, case in enumerate(CASES)])
def test_each_death_is_named_and_says_what_to_do(evidence: dict[str, Any], cause: str, hint: str) -> None:
    story = failures.of_instance(DEAD, evidence, resources={"memory_mb": 512}, at=1.0)
    assert story["cause"] == cause
    assert hint in story["hint"]
    assert story["reason"]


def test_an_instance_that_was_ready_died_while_serving() -> None:
    served = Instance("iris-1-a", "iris", 1, State.FAILED, ready_at=1.0)
    assert failures.of_instance(served, {"exit": {"status": 1}}, resources={}, at=2.0)["phase"] == "serve"


def test_only_the_last_forty_log_lines_are_kept() -> None:
    story = failures.of_instance(
        DEAD, {"exit": {"status": 1}, "log": [str(n) for n in range(100)]}, resources={}, at=1.0
    )
    assert story["log"] == [str(n) for n in range(60, 100)]


@pytest.mark.parametrize(
    ("error", "phase", "cause"),
    [
        (FetchFailed("no route"), "fetch", "fetch-failed"),
        (EnvironmentFailed("no such package"), "environment", "environment-failed"),
        (InvalidInput("there is no model", details=[{"cause": "missing-model"}]), "verify", "missing-model"),
        (NoCapacity("too much"), "load", "no-capacity"),
        (EnvironmentFailed("write: No space left on device"), "environment", "disk-full"),
    ],
)
def test_a_preparation_that_failed_names_its_cause(error: Any, phase: str, cause: str) -> None:
    story = failures.of_error("iris", 1, phase, error, at=1.0)
    assert (story["cause"], story["phase"], story["reason"]) == (cause, phase, error.message)
