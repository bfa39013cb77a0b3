"""Starts that fail, for real: each is named, explained and ended at once, and nothing is left running."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlserve.client import Client
from mlserve.errors import InvalidInput, NoCapacity, StartFailed, UpdateFailed

PROCESSOR = """
from mlserve.runtime import Processor
import os, signal, sys, time
{before}
class Echo(Processor):
    {body}
    def predict(self, inputs):
        return inputs
"""


def processor(folder: Path, *, before: str = "", load: str = "pass", requirements: str = "") -> dict[str, Any]:
    """The descriptor of a Python processor whose load() runs ``load``."""
    code = folder / "code"
    code.mkdir()
    (code / "app.py").write_text(PROCESSOR.format(before=before, body=f"def load(self, path, config):\n        {load}"))
    if requirements:
        (code / "requirements.txt").write_text(requirements)
    return {"name": "echo", "processor_type": "python", "processor_path": str(code), "processor_entry": "app.py:Echo"}


def create(client: Client, folder: Path, descriptor: Mapping[str, Any], **metadata: Any) -> Any:
    path = folder / "service.json"
    path.write_text(json.dumps({**descriptor, "metadata": {"instance": 1, "cpu": 1, "memory": 512, **metadata}}))
    return client.services.create(path)


def failure_of(client: Client, folder: Path, descriptor: Mapping[str, Any], **metadata: Any) -> Mapping[str, Any]:
    service = create(client, folder, descriptor, **metadata)
    with pytest.raises(StartFailed) as caught:
        service.wait(timeout=60)
    assert service.reload().status == "Failed"
    record = service.why()[0]
    assert caught.value.details[0]["cause"] == record["cause"]
    assert record["reason"], "a failure says what happened"
    assert record["hint"], "and what to do next"
    assert not [one for one in service.instances() if one["state"] in ("Starting", "Ready", "Draining")]
    return record


STARTS: dict[str, tuple[dict[str, str], str]] = {
    "an exception in load": ({"load": "raise ValueError('no such column')"}, "load-exception"),
    "an exception in import": ({"before": "1 / 0"}, "import-exception"),
    "a missing library": ({"before": "import surely_not_there"}, "missing-library"),
    "a segmentation fault": ({"load": "os.kill(os.getpid(), signal.SIGSEGV)"}, "killed-by-signal"),
    "an exit": ({"load": "print('giving up'); os._exit(3)"}, "exited"),
    "too much memory": ({"load": "self.hoard = bytearray(900_000_000)"}, "out-of-memory"),
}


@pytest.mark.parametrize("what", STARTS)
def test_a_start_that_fails_is_explained(client: Client, tmp_path: Path, what: str) -> None:
    code, cause = STARTS[what]
    record = failure_of(client, tmp_path, processor(tmp_path, **code), memory=256)
    assert record["cause"] == cause
    if cause in ("load-exception", "import-exception", "missing-library"):
        assert [frame["file"].endswith("app.py") for frame in record["frames"]] == [True] * len(record["frames"])
        assert record["frames"]
        assert not record["retryable"]
    if cause == "missing-library":
        assert "surely_not_there" in record["hint"]
        assert "requirements.txt" in record["hint"]
    if cause == "exited":
        assert record["exit"] == {"status": 3}
        assert any("giving up" in line for line in record["log"])
    if cause == "out-of-memory":
        assert record["memory"]["limit_mb"] == 256
        assert record["phase"] == "load"


def test_a_start_that_takes_too_long_ends_at_its_deadline(client: Client, tmp_path: Path) -> None:
    slow = processor(tmp_path, load="time.sleep(600)") | {"startup_timeout": 2}
    record = failure_of(client, tmp_path, slow)
    assert record["cause"] == "startup-timeout"
    assert "startup_timeout" in record["hint"]


def test_a_class_that_is_not_there_is_named(client: Client, tmp_path: Path) -> None:
    record = failure_of(client, tmp_path, processor(tmp_path) | {"processor_entry": "app.py:Nope"})
    assert record["cause"] == "bad-entry"
    assert "Nope" in record["reason"]


def test_a_program_that_opens_no_port_is_told_where_to_listen(client: Client, tmp_path: Path) -> None:
    descriptor = {
        "name": "mute",
        "command": f"{sys.executable} -c 'import time; time.sleep(600)'",
        "port": 8123,
        "startup_timeout": 2,
    }
    record = failure_of(client, tmp_path, descriptor)
    assert record["cause"] == "port-not-open"


def test_a_program_on_another_port_is_told_which(client: Client, tmp_path: Path) -> None:
    serve = 'import socket, time; s = socket.create_server(("127.0.0.1", 0)); time.sleep(600)'
    descriptor = {"name": "elsewhere", "command": f"{sys.executable} -c '{serve}'", "port": 8123, "startup_timeout": 2}
    record = failure_of(client, tmp_path, descriptor)
    assert record["cause"] == "wrong-port"
    assert "8123" in record["reason"]


def test_a_corrupt_model_is_found_before_anything_starts(client: Client, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\x08\x07garbage" * 10)
    record = failure_of(client, tmp_path, {"name": "broken", "processor": "onnx", "model_path": "model.onnx"})
    assert (record["cause"], record["phase"]) == ("corrupt-model", "verify")


def test_a_model_that_is_gone_from_the_hubs_machine_is_named(client: Client, tmp_path: Path) -> None:
    record = failure_of(
        client, tmp_path, {"name": "gone", "processor": "onnx", "model_path": "file:///nowhere/model.onnx"}
    )
    assert (record["cause"], record["phase"]) == ("missing-model", "fetch")


def test_a_local_model_that_is_not_there_never_reaches_the_hub(client: Client, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"missing\.onnx"):
        create(client, tmp_path, {"name": "gone", "processor": "onnx", "model_path": "missing.onnx"})
    assert list(client.services.list()) == []


@pytest.mark.network
def test_a_package_that_nobody_has_fails_the_environment(client: Client, tmp_path: Path) -> None:
    record = failure_of(client, tmp_path, processor(tmp_path, requirements="mlserve-surely-not-there==9.9\n"))
    assert (record["cause"], record["phase"]) == ("environment-failed", "environment")
    assert "mlserve-surely-not-there" in record["reason"] + "".join(record["log"])


def test_more_memory_than_there_is_is_refused_and_nothing_is_kept(client: Client, tmp_path: Path) -> None:
    with pytest.raises(NoCapacity, match="are free") as caught:
        create(client, tmp_path, processor(tmp_path), memory=10_000_000)
    assert caught.value.exit_code == 8
    assert list(client.services.list()) == []


def test_a_failed_update_leaves_the_old_version_serving(client: Client, tmp_path: Path) -> None:
    service = create(client, tmp_path, processor(tmp_path)).wait(timeout=60)
    pid = service.instances()[0]["pid"]
    (tmp_path / "code" / "app.py").write_text("raise RuntimeError('a bad day')\n")
    with pytest.raises(UpdateFailed) as caught:
        service.update(tmp_path / "service.json").wait(timeout=60)
    assert caught.value.exit_code == 9
    assert service.predict({"x": [[1]]}) == {"x": [[1]]}
    assert (service.reload().status, service.version) == ("Running", 1)
    assert service.instances()[0]["pid"] == pid
    assert service.why()[0]["cause"] == "import-exception"


def test_a_failed_service_can_be_updated_and_then_runs(client: Client, tmp_path: Path) -> None:
    service = create(client, tmp_path, processor(tmp_path, load="raise ValueError('x')"))
    with pytest.raises(StartFailed):
        service.wait(timeout=60)
    (tmp_path / "code" / "app.py").write_text(PROCESSOR.format(before="", body="pass"))
    service.update(tmp_path / "service.json").wait(timeout=60)
    assert service.predict({"x": [[1]]}) == {"x": [[1]]}


def test_nothing_is_left_after_a_delete(client: Client, home: Path, tmp_path: Path) -> None:
    service = create(client, tmp_path, processor(tmp_path)).wait(timeout=60)
    pid = service.instances()[0]["pid"]
    service.delete()
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)
    assert not psutil.pid_exists(pid)
    assert list((home / "instances").glob("*")) == []


def fixed_port() -> tuple[dict[str, Any], int]:
    """A program that insists on the port of its descriptor."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return {"name": "fixed", "command": f"{sys.executable} -m http.server --bind 127.0.0.1 {port}", "port": port}, port


def test_a_restart_that_fails_takes_nothing_away(client: Client, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    service = create(client, tmp_path, processor(tmp_path, load=f"assert not os.path.exists({str(trap)!r})"))
    service.wait(timeout=60)
    pid = service.instances()[0]["pid"]
    trap.touch()
    with pytest.raises(UpdateFailed, match="restart"):
        service.restart().wait(timeout=60)
    assert [(one["pid"], one["state"]) for one in service.instances()] == [(pid, "Ready")]
    trap.unlink()
    psutil.Process(pid).kill()
    service.restart().wait(timeout=60)
    assert service.predict({"x": [[1]]}) == {"x": [[1]]}


def test_a_program_on_a_fixed_port_is_replaced_in_place(client: Client, tmp_path: Path) -> None:
    descriptor, port = fixed_port()
    service = create(client, tmp_path, descriptor).wait(timeout=60)
    assert service.instances()[0]["address"] == f"127.0.0.1:{port}"
    first = service.instances()[0]["pid"]
    service.restart().wait(timeout=60)
    second = service.instances()[0]["pid"]
    service.update(set=["metadata.memory=256"]).wait(timeout=60)
    third = service.instances()[0]["pid"]
    assert len({first, second, third}) == 3
    assert (service.status, service.version) == ("Running", 2)


def test_scaling_a_program_on_a_fixed_port_says_why_not(client: Client, tmp_path: Path) -> None:
    descriptor, _ = fixed_port()
    service = create(client, tmp_path, descriptor).wait(timeout=60)
    with pytest.raises(StartFailed, match="port") as caught:
        service.scale(2).wait(timeout=60)
    assert "PORT" in caught.value.hint
    assert service.reload().status == "Degraded"
