"""How containers end, or can't begin, and what is told of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest
from tests.contract.containers import program_image
from tests.contract.docker_kit import Wish, ask, client, first, scenario, wish
from tests.contract.test_backends import ready, until
from tests.docker_engine import Engine

from mlserve.backends.base import Resources, State
from mlserve.backends.docker.backend import DockerBackend
from mlserve.backends.readiness import Patience
from mlserve.workload import Mount, MountKind

__all__ = ["client", "program_image", "wish"]


def test_after_a_restart_by_somebody_else_it_is_reached_at_its_new_port(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play(backend: DockerBackend) -> None:
        await backend.apply(wish())
        (before,) = await until(backend, ready(1))
        await asyncio.to_thread(client.containers.get(before.container).restart)
        after = await first(backend, lambda one: one.restarts == 1 and one.state is State.READY)
        assert (after.id, after.container) == (before.id, before.container), "nobody made another one"
        assert await ask(after.address) == after.id.encode()

    scenario(tmp_path, docker_engine, play)


def test_a_container_that_somebody_removed_comes_back(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play(backend: DockerBackend) -> None:
        await backend.apply(wish())
        (before,) = await until(backend, ready(1))
        client.containers.get(before.container).remove(force=True)
        after = await first(backend, lambda one: one.restarts == 1 and one.state is State.READY)
        assert after.container != before.container
        assert after.evidence["removed"] or after.evidence["exit"] == {"signal": 9}

    scenario(tmp_path, docker_engine, play)


def test_a_program_that_ends_by_its_own_signal_handler_was_told_to_stop(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play(backend: DockerBackend) -> None:
        shell = replace(wish(health_path=None), command=("python", "-m", "http.server", "{port}"))
        await backend.apply(shell)
        await until(backend, ready(1))
        begun = time.monotonic()
        await backend.apply(replace(shell, count=0, drain_seconds=30.0, withdrawn=frozenset()))
        (draining,) = await backend.instances()
        await backend.apply(replace(shell, count=0, withdrawn=frozenset({draining.id})))
        await until(backend, lambda found: not found)
        assert time.monotonic() - begun < 10
        (ended,) = await backend.ended("iris")
        assert ended.evidence["exit"] == {"signal": 15}
        assert ended.evidence["stopped"]

    scenario(tmp_path, docker_engine, play)


def test_more_memory_than_its_limit_is_told_as_that(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play(backend: DockerBackend) -> None:
        await backend.apply(wish("hog", resources=Resources(memory_mb=40)))
        failed = await first(backend, lambda one: one.state is State.FAILED)
        assert failed.evidence["oom"]
        assert failed.evidence["memory"] == {"limit_mb": 40, "peak_mb": 40}
        assert failed.reason.startswith("out of memory: limit 40 MB")

    scenario(tmp_path, docker_engine, play)


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"image": "nobody/has-this:1"}, "image-missing", "No such image"),
        ({"workdir": "not/absolute"}, "bad-request", "working directory"),
        ({"mounts": (Mount("/data", MountKind.HOST, "/no/such/folder"),)}, "bind-refused", "/no/such/folder"),
    ],
)
def test_what_the_engine_refuses_is_not_tried_again(
    docker_engine: Engine,
    client: docker.DockerClient,
    tmp_path: Path,
    wish: Wish,
    change: dict[str, Any],
    code: str,
    words: str,
) -> None:
    async def play(backend: DockerBackend) -> None:
        await backend.apply(replace(wish(), **change))
        failed = await first(backend, lambda one: one.final)
        assert failed.restarts == 0
        assert failed.evidence["not_started"]["code"] == code
        assert words in failed.reason

    scenario(tmp_path, docker_engine, play)


def test_an_address_that_the_engines_machine_does_not_have_is_named(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play(backend: DockerBackend) -> None:
        await backend.apply(wish())
        failed = await first(backend, lambda one: one.final)
        assert failed.evidence["not_started"]["code"] == "address-missing"
        assert "192.0.2.1" in failed.reason
        assert "--address" in failed.evidence["not_started"]["hint"]

    scenario(tmp_path, docker_engine, play, address="192.0.2.1")


def test_a_gpu_that_the_engine_has_no_driver_for_is_refused_with_what_to_do() -> None:
    from mlserve.backends.docker.making import refusal
    from mlserve.backends.docker.refusals import refused
    from mlserve.backends.docker.target import target

    text = 'could not select device driver "" with capabilities: [[gpu]]'
    problem = refusal(refused(500, text, target("unix:///x", None, "")), "iris:1")["not_started"]
    assert (problem["code"], problem["lasting"]) == ("gpu-missing", True)
    assert "nvidia-container-toolkit" in problem["hint"]


def test_a_command_that_is_not_there_ends_with_status_127(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play(backend: DockerBackend) -> None:
        await backend.apply(replace(wish(), command=("no-such-program",)))
        failed = await first(backend, lambda one: one.state is State.FAILED)
        assert failed.evidence["exit"] == {"status": 127}
        assert "no-such-program" in "\n".join(failed.evidence["log"])

    scenario(tmp_path, docker_engine, play)


def test_one_that_listens_where_nobody_reaches_it_is_told_so(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play(backend: DockerBackend) -> None:
        await backend.apply(wish(startup_seconds=8.0, environment={"ADDRESS": "127.0.0.1"}))
        waiting = await first(backend, lambda one: "listens on 127.0.0.1:8080" in one.reason)
        assert waiting.state is State.STARTING, "long before it is given up"
        failed = await first(backend, lambda one: one.final)
        assert failed.evidence["listening"] == [{"address": "127.0.0.1", "port": 8080}]
        assert "listens on 127.0.0.1:8080, which nobody outside its container reaches" in failed.reason

    scenario(tmp_path, docker_engine, play)


def test_one_that_hangs_is_started_again(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play(backend: DockerBackend) -> None:
        await backend.apply(wish())
        (before,) = await until(backend, ready(1))
        client.containers.get(before.container).exec_run(["sh", "-c", "kill -STOP $(pidof python)"])
        after = await first(backend, lambda one: one.restarts == 1 and one.state is State.READY)
        assert after.evidence["hung"]

    patience = Patience(interval=0.2, timeout=0.5, misses=2)
    scenario(tmp_path, docker_engine, play, patience=patience)
