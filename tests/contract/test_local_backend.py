"""What only the local backend does: processes, their memory, environment, secrets, logs and ends."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import stat
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tests.contract.local_kit import opened, running, shim_of
from tests.contract.test_backends import ready, run, texts, until, workload

from mlserve.backends.base import Resources, State
from mlserve.backends.local import cgroups
from mlserve.backends.local.launch import LogLimits
from mlserve.backends.readiness import Patience


def files_with(directory: Path, text: bytes) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and text in path.read_bytes()]


def modes(directory: Path) -> dict[Path, int]:
    """What is there, with who may do what."""
    return {path: stat.S_IMODE(path.stat().st_mode) for path in (directory, *directory.rglob("*"))}


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
