"""Where a program of this machine listens: where it was wished, elsewhere, or nowhere, and what is told of it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from tests.contract.local_kit import opened
from tests.contract.test_backends import ready, run, until, workload

from mlserve.backends.base import State


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
