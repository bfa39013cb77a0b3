"""Local instances outlive their hub and their shim: the next ones find them, or what ended them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from tests.contract.local_kit import ended, opened, running, shim_of
from tests.contract.test_backends import ready, run, until, workload
from tests.waiting import SECONDS, eventually

from mlserve.backends.base import Instance, State
from mlserve.backends.local.backend import LocalBackend


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
        await died_unseen(tmp_path)
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


async def died_unseen(home: Path) -> Instance:
    """An instance that is killed, and its shim ended, while no hub is there."""
    first = LocalBackend(home)
    await first.apply(workload())
    (before,) = await until(first, ready(1))
    await first.close()
    assert before.pid
    shim = psutil.Process(shim_of(before))
    os.kill(before.pid, signal.SIGKILL)
    await ended(shim)
    return before


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_a_reused_pid_is_not_taken_for_the_instance(tmp_path: Path) -> None:
    async def scenario() -> None:
        before = await died_unseen(tmp_path)
        noted = tmp_path / "instances" / "iris" / before.id / "program.json"
        noted.write_text(noted.read_text().replace(f'"pid": {before.pid},', f'"pid": {os.getpid()},'))
        async with opened(tmp_path) as second:
            await second.apply(workload())
            (after,) = await until(second, lambda found: ready(1)(found) and found[0].restarts == 1)
            assert after.pid not in (before.pid, os.getpid())

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
