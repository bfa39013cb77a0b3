"""The local hub: started when needed, once; what it says when it can't start; its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import mlserve
from mlserve.context import local_hub
from mlserve.errors import HubStartFailed, HubUnreachable

pytestmark = pytest.mark.timeout(300)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlserve_cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False)


def hub_pids(home: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"mlserve.hub" in command and str(home).encode() in command:
                found.append(entry.name)
    return found


def test_many_at_once_start_exactly_one_hub(home: Path) -> None:
    command = [sys.executable, "-m", "mlserve_cli", "list", "-o", "json"]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
    for child in children:
        out, said = child.communicate(timeout=60)
        assert (child.returncode, json.loads(out)) == (0, []), said
    assert len(hub_pids(home)) == 1
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "hub.json").stat().st_mode & 0o777 == 0o600


def test_a_hub_that_was_killed_is_started_again_and_its_clients_go_on(home: Path) -> None:
    with mlserve.connect() as client:
        first = client.hub.status()["pid"]
        os.kill(first, signal.SIGKILL)
        assert local_hub.wait_gone(first, 10)
        assert client.hub.status()["pid"] != first


def test_looking_and_checking_start_no_hub(home: Path) -> None:
    assert run("hub", "status").returncode == 6
    result = run("doctor", "-o", "json")
    checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    assert {"python", "home", "disk", "envoy", "uv", "ports", "hub", "gateway", "backends"} <= set(checks)
    assert "none runs" in checks["hub"]["detail"]
    assert run("hub", "stop").returncode == 0
    assert not home.exists()


def test_a_hub_is_started_once_asked_read_and_stopped(home: Path) -> None:
    started = json.loads(run("hub", "start", "-o", "json").stdout)
    assert json.loads(run("hub", "start", "-o", "json").stdout)["pid"] == started["pid"]
    assert run("hub", "status").returncode == 0
    assert "event=serving" in run("hub", "logs", "--tail", "100").stdout
    assert json.loads(run("doctor", "-o", "json").stdout)["ok"] is True
    assert run("hub", "start", "--gateway", "127.0.0.1:1").returncode == 4
    assert run("hub", "stop", "--all").returncode == 0
    assert not local_hub.alive(started["pid"])


def test_a_home_of_a_newer_mlserve_is_named(home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "home.json").write_text('{"format": 999}')
    result = run("list", "-o", "json")
    error = json.loads(result.stderr.splitlines()[-1])["error"]
    assert (result.returncode, error["code"]) == (6, "hub-start-failed")
    assert "999" in error["message"]
    assert error["hint"]


def test_a_gateway_port_that_is_taken_is_named(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("hub", "start", "--gateway", f"127.0.0.1:{port}", "-o", "json")
    error = json.loads(result.stderr.splitlines()[-1])["error"]
    assert (result.returncode, error["code"]) == (6, "hub-start-failed")
    assert str(port) in error["message"]


def test_a_home_that_is_a_file_is_named(home: Path) -> None:
    home.write_text("")
    with pytest.raises(HubStartFailed, match="can't be used"):
        local_hub.ensure(home)
    home.unlink()


def test_a_hub_that_ends_without_a_word_shows_its_log(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "broken" / "mlserve" / "hub"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text("raise SystemExit('gone for good')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    with pytest.raises(HubStartFailed, match="status 1") as caught:
        local_hub.ensure(home)
    assert caught.value.details[0]["log"] == ["gone for good"]


def test_no_hub_is_running_is_hub_unreachable(home: Path) -> None:
    with pytest.raises(HubUnreachable, match="no hub runs"):
        local_hub.running(home)
