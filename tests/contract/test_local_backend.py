"""What only processes of this machine can do: outlive their hub, use too much memory, listen at the wrong port."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import stat
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.contract.test_backends import ready, run, texts, until, workload
from tests.waiting import SECONDS, eventually

from mlserve.backends.base import Instance, Resources, State
from mlserve.backends.local import cgroups
from mlserve.backends.local.backend import LocalBackend
from mlserve.backends.local.launch import LogLimits
from mlserve.backends.readiness import Patience


@asynccontextmanager
async def opened(home: Path, **more: Any) -> AsyncIterator[LocalBackend]:
    """A backend that is let go with all it runs gone."""
    backend = LocalBackend(home, **more)
    try:
        yield backend
    finally:
        await backend.remove("iris")
        await until(backend, lambda found: not found)
        await backend.close()
        assert running(home) == []


def running(home: Path) -> list[str]:
    """Whatever still runs for a home: programs by their environment, shims by their command."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if process.pid != os.getpid() and any(f"{home}/instances" in word for word in words):
            found.append(" ".join(process.cmdline()))
    return found


def shim_of(instance: Instance) -> int:
    assert instance.pid
    return psutil.Process(instance.pid).ppid()


async def ended(process: psutil.Process) -> None:
    """Wait until a child of this test has ended; it is not collected."""
    await eventually(lambda: process.status() == psutil.STATUS_ZOMBIE, "its end")


def files_with(directory: Path, text: bytes) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and text in path.read_bytes()]


def modes(directory: Path) -> dict[Path, int]:
    """What is there, with who may do what."""
    return {path: stat.S_IMODE(path.stat().st_mode) for path in (directory, *directory.rglob("*"))}


def test_the_next_hub_adopts_what_runs_with_the_same_pids(tmp_path: Path) -> None:
    async def scenario() -> None:
        first = LocalBackend(tmp_path)
        await first.apply(workload(count=2))
        before = await until(first, ready(2))
        await first.close()
        async with opened(tmp_path) as second:
            assert sorted(await second.instances(), key=lambda i: i.id) == sorted(before, key=lambda i: i.id)
            await second.apply(workload(count=2))
            assert {i.pid for i in await second.instances()} == {i.pid for i in before}

    run(scenario())


def test_a_death_that_no_hub_saw_is_found_by_the_next(tmp_path: Path) -> None:
    async def scenario() -> None:
        first = LocalBackend(tmp_path)
        await first.apply(workload())
        (before,) = await until(first, ready(1))
        await first.close()
        assert before.pid
        shim = psutil.Process(shim_of(before))
        os.kill(before.pid, signal.SIGKILL)
        await ended(shim)
        async with opened(tmp_path) as second:
            await second.apply(workload())
            (after,) = await until(second, lambda found: ready(1)(found) and found[0].restarts == 1)
            assert after.evidence["exit"] == {"signal": 9}

    run(scenario())


def test_a_program_outlives_its_shim_and_keeps_its_log(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            await backend.apply(workload())
            (before,) = await until(backend, ready(1))
            shim = shim_of(before)
            os.kill(shim, signal.SIGKILL)
            directory = tmp_path / "instances" / "iris" / before.id
            record = directory / "program.json"
            await eventually(lambda: record.exists() and f'"pid": {shim},' not in _text(record), "another shim")
            (after,) = await backend.instances()
            assert (after.pid, after.state, after.restarts) == (before.pid, State.READY, 0)
            assert before.pid
            os.kill(before.pid, signal.SIGKILL)
            (after,) = await until(backend, lambda found: ready(1)(found) and found[0].restarts == 1)
            assert "exit" not in after.evidence, "nobody was there to collect its status"

    run(scenario())


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_a_reused_pid_is_not_taken_for_the_instance(tmp_path: Path) -> None:
    async def scenario() -> None:
        first = LocalBackend(tmp_path)
        await first.apply(workload())
        (before,) = await until(first, ready(1))
        await first.close()
        assert before.pid
        shim = psutil.Process(shim_of(before))
        os.kill(before.pid, signal.SIGKILL)
        await ended(shim)
        noted = tmp_path / "instances" / "iris" / before.id / "program.json"
        noted.write_text(noted.read_text().replace(f'"pid": {before.pid},', f'"pid": {os.getpid()},'))
        async with opened(tmp_path) as second:
            await second.apply(workload())
            (after,) = await until(second, lambda found: ready(1)(found) and found[0].restarts == 1)
            assert after.pid not in (before.pid, os.getpid())

    run(scenario())


@pytest.mark.parametrize("held_by", ["cgroup", "watching"])
def test_too_much_memory_is_named_with_limit_and_peak(
    tmp_path: Path, held_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if held_by == "cgroup" and cgroups.find_place(tmp_path) is None:
        pytest.skip("needs a memory cgroup that this user may divide")

    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            if held_by == "watching":
                backend._supervisor.place = None
            await backend.apply(workload("hog", resources=Resources(memory_mb=96), startup_seconds=60.0))
            (found,) = await until(backend, lambda found: bool(found[0].evidence))
            assert found.evidence["oom"] is True
            assert found.evidence["memory"]["limit_mb"] == 96
            assert found.evidence["memory"]["peak_mb"] >= 90
            assert found.reason.startswith("out of memory: limit 96 MB")

    run(scenario())
    place = cgroups.find_place(tmp_path)
    assert place is None or not place.path.exists(), "no cgroup is left behind"


def test_a_program_that_listens_elsewhere_is_told_where_it_was_wished(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                other = probe.getsockname()[1]
            wish = workload("elsewhere", environment={"OTHER_PORT": str(other)}, port=18080, startup_seconds=0.6)
            await backend.apply(wish)
            (failed,) = await until(backend, lambda found: found[0].final)
            assert failed.evidence["startup_timeout"] is True
            assert failed.evidence["listening"] == [{"address": "127.0.0.1", "port": other}]
            assert f"listens on 127.0.0.1:{other}, descriptor says 18080" in failed.reason

    run(scenario())


def test_a_program_that_opens_no_port_is_told_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            await backend.apply(workload("silent", startup_seconds=0.3))
            (failed,) = await until(backend, lambda found: found[0].final)
            assert failed.evidence["listening"] == []
            assert "not ready within 0.3 s: opened no port" in failed.reason

    run(scenario())


def test_a_program_that_is_still_waited_for_shows_why_nothing_answers(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                other = probe.getsockname()[1]
            wish = workload("elsewhere", environment={"OTHER_PORT": str(other)}, port=18080, startup_seconds=60.0)
            await backend.apply(wish)
            words = f"no answer yet: listens on 127.0.0.1:{other}, descriptor says 18080"
            (found,) = await until(backend, lambda found: found[0].reason == words)
            assert found.state is State.STARTING

    run(scenario())


def test_a_program_may_insist_on_its_declared_port(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                own = probe.getsockname()[1]
            wish = workload("elsewhere", environment={"OTHER_PORT": str(own)}, port=own, health_path=None)
            await backend.apply(wish)
            (found,) = await until(backend, ready(1))
            assert found.address == f"127.0.0.1:{own}"

    run(scenario())


def test_a_declared_port_that_somebody_has_is_named_with_its_owner(tmp_path: Path) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = other.getsockname()[1]
            async with opened(tmp_path) as backend:
                await backend.apply(workload("silent", port=taken, health_path=None, startup_seconds=0.4))
                (failed,) = await until(backend, lambda found: found[0].final)
                assert f"process {os.getpid()}" in failed.evidence["taken_by"]
                assert f"port {taken} is taken by process {os.getpid()}" in failed.reason

    run(scenario())


def test_a_program_that_answers_before_it_has_said_how_it_went_is_not_ready_yet(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            await backend.apply(workload("early", environment={"JUDGED": "good"}))
            (found,) = await until(backend, ready(1))
            assert found.facts == {"warnings": ["one is bad"]}

    run(scenario())


def test_a_program_that_answers_and_then_says_that_it_failed_was_never_ready(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            await backend.apply(workload("early", environment={"JUDGED": "bad"}))
            (found,) = await until(backend, lambda found: found[0].state is not State.STARTING)
            assert (found.state, found.ready_at) == (State.FAILED, None)

    run(scenario())


def test_an_instance_that_no_longer_answers_is_replaced(tmp_path: Path) -> None:
    async def scenario() -> None:
        patience = Patience(interval=0.1, timeout=0.2, misses=3)
        async with opened(tmp_path, patience=patience) as backend:
            await backend.apply(workload())
            (before,) = await until(backend, ready(1))
            assert before.pid
            os.kill(before.pid, signal.SIGSTOP)
            (after,) = await until(backend, lambda found: ready(1)(found) and found[0].restarts == 1)
            assert after.evidence["hung"] is True
            assert after.evidence["probes"][-1]["ok"] is False

    run(scenario())


def test_one_that_ignores_sigterm_is_killed_after_its_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            await backend.apply(workload("stubborn", drain_seconds=0.5))
            await until(backend, ready(1))
            begun = time.monotonic()
            await backend.remove("iris")
            await until(backend, lambda found: not found)
            assert 0.4 < time.monotonic() - begun < 5

    run(scenario())


def test_no_child_outlives_its_program(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            await backend.apply(workload("parent"))
            (one,) = await until(backend, ready(1))
            family = psutil.Process(shim_of(one)).children(recursive=True)
            assert len(family) == 4, "the program, and three that sleep"
            await backend.remove("iris")
            await until(backend, lambda found: not found)
            assert not [process for process in family if process.is_running()]

    run(scenario())


def test_a_program_gets_its_own_environment_and_no_secret_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLSERVE_TOKEN", "hush")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")

    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            wish = workload(resources=Resources(cpu=1.5), environment={"PASSWORD": "hush-hush"})
            await backend.apply(wish)
            (one,) = await until(backend, ready(1))
            program = psutil.Process(one.pid)
            environment = program.environ()
            assert environment["OMP_NUM_THREADS"] == environment["MKL_NUM_THREADS"] == "2"
            assert environment["MLSERVE_INSTANCE"] == one.id
            assert environment["PORT"] == environment["LISTENING_PORT"] == one.address.rpartition(":")[2]
            assert "hush" not in environment.values()
            assert "hush-hush" not in " ".join(program.parent().cmdline())
            assert "hush-hush" not in program.parent().environ().values()
            assert files_with(tmp_path, b"hush-hush") == [], "the program's secrets are nowhere on disk"
            assert stat.S_IMODE((tmp_path / "instances" / "iris" / one.id).stat().st_mode) == 0o700

    run(scenario())


def test_secrets_are_files_that_only_its_user_may_read_and_go_with_the_run(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            wish = workload(secrets={"environment.json": '{"KEY": "hush-hush"}'})
            await backend.apply(wish)
            (one,) = await until(backend, ready(1))
            directory = tmp_path / "instances" / "iris" / one.id
            folder = Path(psutil.Process(one.pid).environ()["MLSERVE_SECRETS"])
            file = folder / "environment.json"
            assert modes(directory / "secrets") == {folder: 0o700, file: 0o400}
            assert files_with(tmp_path, b"hush-hush") == [file]
            os.kill(one.pid or 0, signal.SIGKILL)
            await until(backend, lambda found: [i.restarts for i in found if i.state is State.READY] == [1])
            assert files_with(tmp_path, b"hush-hush") == [file], "started again, it has them again"
            await backend.apply(replace(wish, count=0))
            await until(backend, lambda found: not found)
            assert directory in modes(directory), "its log is kept"
            assert folder not in modes(directory)

    run(scenario())


def test_long_logs_are_rotated_and_long_lines_split(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path, log_limits=LogLimits(size=100_000, files=3)) as backend:
            await backend.apply(workload("chatter", environment={"LINES": "5000"}))
            (one,) = await until(backend, ready(1))
            directory = tmp_path / "instances" / "iris" / one.id
            files = sorted(path.name for path in directory.glob("current.log*"))
            assert files == ["current.log", "current.log.1", "current.log.2"]
            assert all(path.stat().st_size <= 110_000 for path in directory.glob("current.log*"))
            lines = await texts(backend.logs("iris", tail=6))
            assert lines[-1] == "serving"
            assert "".join(lines[2:5]) == "y" * 40000
            assert lines[1].startswith("line 4999 ")

    run(scenario())


def test_a_program_without_output_costs_its_shim_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            await backend.apply(workload("closed"))
            (one,) = await until(backend, ready(1))
            shim = psutil.Process(shim_of(one))
            before = sum(shim.cpu_times()[:2])
            await asyncio.sleep(0.5)
            assert sum(shim.cpu_times()[:2]) - before < 0.2

    run(scenario())


def test_a_program_that_is_not_there_fails_at_once_and_is_named(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            await backend.apply(replace(workload(), command=("no-such-program", "--now")))
            (failed,) = await until(backend, lambda found: found[0].final)
            assert failed.evidence["not_started"]["path"] == "no-such-program"
            assert "could not be started: no-such-program: No such file or directory" in failed.reason

    run(scenario())


def test_ended_instances_keep_log_and_evidence_until_their_service_goes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            await backend.apply(workload("refuse"))
            await until(backend, lambda found: found[0].final)
            await backend.remove("iris", 1)
            assert await backend.instances() == []
            (ended,) = await backend.ended("iris")
            assert ended.evidence["report_failure"]["reason"] == "no such weights"
            await backend.remove("iris")
            assert await backend.ended("iris") == []
            assert not list((tmp_path / "instances").iterdir())

    run(scenario())


def test_asking_for_many_instances_is_cheap(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            await backend.apply(workload(count=5))
            await until(backend, ready(5))
            before = resource.getrusage(resource.RUSAGE_SELF)
            for _ in range(100):
                await backend.instances()
            after = resource.getrusage(resource.RUSAGE_SELF)
            assert after.ru_utime - before.ru_utime < 0.1, "500 instances in 100 ms"

    run(scenario())


def test_a_name_that_was_deleted_comes_back_without_a_past(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            await backend.apply(workload(count=1, has_served=True))
            await until(backend, ready(1))
            await backend.remove("iris")
            await until(backend, lambda found: not found)
            await backend.apply(workload(count=1, behaviour="refuse"))
            found = await until(backend, lambda found: bool(found) and found[0].state is State.FAILED)
            assert found[0].final, "a first start that can't succeed is not tried again"

    run(scenario())


def test_removing_twice_waits_for_the_end_just_as_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            await backend.apply(workload("stubborn", drain_seconds=1.0))
            await until(backend, ready(1))
            for _ in range(3):
                await backend.remove("iris")
                assert await backend.instances(), "it still runs, so it is still there"
            await until(backend, lambda found: not found)
            assert running(tmp_path) == []

    run(scenario())


def test_removing_a_start_that_has_just_begun_leaves_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            await backend.apply(workload(count=2))
            await backend.remove("iris")
            await backend.remove("iris")
            await until(backend, lambda found: not found)
            assert running(tmp_path) == []

    run(scenario())


@pytest.mark.parametrize("damage", ["{broken", "[]", '{"id": "x"}', ""])
def test_what_runs_behind_a_damaged_note_is_ended_and_replaced(tmp_path: Path, damage: str) -> None:
    async def scenario() -> None:
        first = LocalBackend(tmp_path)
        await first.apply(workload(count=2))
        before = await until(first, ready(2))
        await first.close()
        (tmp_path / "instances" / "iris" / before[0].id / "instance.json").write_text(damage)
        async with opened(tmp_path) as second:
            await second.apply(workload(count=2))
            after = await until(second, ready(2))
            assert before[1].pid in {instance.pid for instance in after}
            assert not psutil.pid_exists(before[0].pid or 0) or before[0].pid in {one.pid for one in after}

    run(scenario())


def kill_as_it_forks(home: Path) -> None:
    """Kill the shim below a home in the very moment it has a child; other children of the tests are left alone."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        for shim in psutil.Process().children():
            if (
                str(home).encode() in _arguments(shim.pid)
                and Path(f"/proc/{shim.pid}/task/{shim.pid}/children").read_text()
            ):
                shim.kill()
                return
    raise AssertionError("no shim has forked")


def _arguments(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_a_shim_that_is_killed_while_it_starts_leaves_no_program_alone(tmp_path: Path) -> None:
    """At the moment it has forked: a program begins only after its pid was noted."""

    async def scenario() -> None:
        async with opened(tmp_path) as backend:
            for _ in range(8):
                await backend.apply(workload(count=1, has_served=True))
                kill_as_it_forks(tmp_path)
                await backend.remove("iris")
                await until(backend, lambda found: not found)
                assert running(tmp_path) == []

    run(scenario())
