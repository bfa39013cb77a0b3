"""What only containers have: hardening, labels, containers of others, adoption, and further ways to end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest
from tests.contract.containers import bake, in_container, open_docker, program_image
from tests.contract.test_backends import ready, run, texts, until, workload
from tests.docker_engine import Engine

from mlserve.backends.base import Instance, Resources, State
from mlserve.backends.docker import labels
from mlserve.backends.docker.backend import DockerBackend
from mlserve.backends.readiness import Patience
from mlserve.workload import Container, Mount, MountKind, Workload

__all__ = ["program_image"]


Wish = Callable[..., Workload]
UNCLOSED = "ignore::pytest.PytestUnraisableExceptionWarning"
"""The SDK leaves the socket of a refused connection to be closed by the garbage collector."""


@pytest.fixture
def wish(program_image: str) -> Wish:
    return lambda behaviour="serve", count=1, **more: in_container(workload(behaviour, count, **more), program_image)


@pytest.fixture
def client(docker_engine: Engine) -> Iterator[docker.DockerClient]:
    with closing(docker_engine.client()) as client:
        before = names(client)
        yield client
        assert names(client) == before, "it leaves what it found"
        assert [volume.name for volume in client.volumes.list()] == []


def names(client: docker.DockerClient) -> set[str]:
    return {container.name for container in client.containers.list(all=True)}


@asynccontextmanager
async def opened(home: Path, engine: Engine, **more: Any) -> AsyncIterator[DockerBackend]:
    backend = open_docker(home, engine, **more)
    try:
        yield backend
    finally:
        for service in {instance.service for instance in await backend.instances()}:
            await backend.remove(service)
        await until(backend, lambda found: not found)
        await backend.close()


async def first(backend: DockerBackend, behaved: Callable[[Instance], bool], seconds: float = 20) -> Instance:
    (found,) = await until(backend, lambda found: bool(found) and behaved(found[0]), seconds)
    return found


async def ask(address: str) -> bytes:
    reader, writer = await asyncio.open_connection(*address.split(":"))
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer.rpartition(b"\r\n")[2]


async def answer(address: str) -> bytes:
    """What comes from a program that nobody waited for, once it is there."""
    deadline = time.monotonic() + 20
    while not (found := await ask(address)):
        assert time.monotonic() < deadline, f"nobody answers at {address}"
        await asyncio.sleep(0.05)
    return found


Scenario = Callable[[DockerBackend], Awaitable[None]]


def scenario(home: Path, engine: Engine, play: Scenario, **more: Any) -> None:
    async def played() -> None:
        async with opened(home, engine, **more) as backend:
            await play(backend)

    run(played())


def test_a_container_has_no_rights_it_does_not_need(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    look = (
        "import json,os\n"
        "status=dict(l.split(':',1) for l in open('/proc/self/status'))\n"
        "def may(path):\n"
        " try: open(path,'w').close(); return True\n"
        " except OSError: return False\n"
        "cg=lambda *names: next((open(n).read().strip() for n in names if os.path.exists(n)), '')\n"
        "print(json.dumps({'caps': status['CapEff'].strip(), 'new': status['NoNewPrivs'].strip(), 'uid': os.getuid(),"
        " 'gid': os.getgid(), 'root': may('/x'), 'tmp': may('/tmp/x'), 'home': os.environ['HOME'],"
        " 'init': open('/proc/1/comm').read().strip(),"
        " 'pids': cg('/sys/fs/cgroup/pids/pids.max','/sys/fs/cgroup/pids.max'),"
        " 'memory': cg('/sys/fs/cgroup/memory/memory.limit_in_bytes','/sys/fs/cgroup/memory.max'),"
        " 'swap': cg('/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes')}), flush=True)\n"
        "import time; time.sleep(600)\n"
    )

    async def play(backend: DockerBackend) -> None:
        resources = Resources(cpu=0.5, memory_mb=64)
        await backend.apply(replace(wish(resources=resources), command=("python", "-c", look)))
        found = await first(backend, lambda one: one.container is not None)
        seen = json.loads((await anext(backend.logs("iris", follow=True))).text)
        assert int(seen["caps"], 16) == 0
        assert (seen["new"], seen["uid"], seen["gid"]) == ("1", 65534, 65534)
        assert (seen["root"], seen["tmp"], seen["home"]) == (False, True, "/tmp")
        assert seen["init"] in ("docker-init", "tini")
        assert int(seen["pids"]) == 4096
        assert int(seen["memory"]) == 64 << 20
        assert seen["swap"] in ("", str(64 << 20))
        told = client.api.inspect_container(found.container)["HostConfig"]
        assert told["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}
        assert (told["NanoCpus"], told["RestartPolicy"]["Name"]) == (500_000_000, "no")
        assert {bound["HostIp"] for ports in told["PortBindings"].values() for bound in ports} == {"127.0.0.1"}

    scenario(tmp_path, docker_engine, play)


def test_labels_say_what_a_container_is_and_carry_no_secret(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play(backend: DockerBackend) -> None:
        environment = {"PASSWORD": "for the program alone"}
        told_apart = {"secrets": {"key": "very secret"}, "environment": environment}
        await backend.apply(wish(count=2, revision="7", record='{"a": 1}', **told_apart))
        found = await until(backend, ready(2))
        told = client.api.inspect_container(found[0].container)
        marks = told["Config"]["Labels"]
        assert marks[labels.HUB] == backend.hub
        assert (marks[labels.SERVICE], marks[labels.VERSION], marks[labels.REVISION]) == ("iris", "1", "7")
        assert marks[labels.INSTANCE] == found[0].id
        assert "very secret" not in json.dumps(told)
        assert "for the program alone" not in json.dumps(marks)
        (remembered,) = await backend.remembered()
        assert (remembered.service, remembered.count, remembered.record) == ("iris", 2, '{"a": 1}')
        assert remembered.secrets == {}

    scenario(tmp_path, docker_engine, play)


def test_containers_of_others_are_not_touched(
    docker_engine: Engine,
    client: docker.DockerClient,
    tmp_path: Path,
    wish: Wish,
    program_image: str,
) -> None:
    strangers = [
        client.containers.create(program_image, ["sleep", "600"], name="stranger"),
        client.containers.create(program_image, ["sleep", "600"], labels={labels.HUB: "another", labels.INSTANCE: "x"}),
    ]
    try:
        for stranger in strangers:
            stranger.start()

        async def play(backend: DockerBackend) -> None:
            await backend.apply(wish())
            await until(backend, ready(1))
            await backend.remove("iris")
            await until(backend, lambda found: not found)
            for stranger in strangers:
                stranger.reload()
                assert stranger.status == "running"

        scenario(tmp_path, docker_engine, play)
    finally:
        for stranger in strangers:
            stranger.remove(force=True)


def test_the_next_hub_adopts_what_runs_without_restarting_it(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play() -> None:
        before = open_docker(tmp_path, docker_engine)
        await before.apply(wish(count=2))
        old = await until(before, ready(2))
        await before.close()
        async with opened(tmp_path, docker_engine) as after:
            assert {one.id for one in await after.instances()} == {one.id for one in old}, "at once"
            await after.apply(wish(count=2))
            new = await until(after, ready(2))
            assert {(one.container, one.address, one.restarts) for one in new} == {
                (one.container, one.address, one.restarts) for one in old
            }
            assert new[0].phases

    run(play())


def test_a_hub_that_lost_its_notes_finds_its_instances_by_their_labels(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play() -> None:
        before = open_docker(tmp_path / "lost", docker_engine)
        await before.apply(wish(count=2))
        old = await until(before, ready(2))
        await before.close()
        async with opened(tmp_path / "new", docker_engine, hub=before.hub) as after:
            found = await until(after, ready(2))
            assert {one.container for one in found} == {one.container for one in old}
            await after.apply(wish(count=2))
            assert [one.restarts for one in await until(after, ready(2))] == [0, 0]

    run(play())


def test_what_ended_while_no_hub_was_there_is_noticed_and_started_again(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play() -> None:
        before = open_docker(tmp_path, docker_engine)
        await before.apply(wish())
        (old,) = await until(before, ready(1))
        await before.close()
        client.containers.get(old.container).kill()
        async with opened(tmp_path, docker_engine) as after:
            await after.apply(wish())
            again = await first(after, lambda one: one.restarts == 1 and one.state is State.READY)
            assert again.evidence["exit"] == {"signal": 9}
            assert again.evidence["log"] == ["serving"]

    run(play())


def test_what_a_dying_hub_left_behind_is_cleared_by_the_next(
    docker_engine: Engine,
    client: docker.DockerClient,
    tmp_path: Path,
    program_image: str,
    wish: Wish,
) -> None:
    async def play(backend: DockerBackend) -> None:
        marks = labels.of_container(backend.hub, wish(), "iris-1-dead", 0)
        left = client.containers.create(program_image, ["sleep", "600"], labels=marks)
        await backend.apply(wish())
        await until(backend, ready(1))
        deadline = time.monotonic() + 20
        while left.name in names(client):
            assert time.monotonic() < deadline, "it is still there"
            await asyncio.sleep(0.1)

    scenario(tmp_path, docker_engine, play)


@pytest.mark.parametrize("after", [0.0, 0.05, 0.1, 0.2, 0.4])
def test_a_hub_that_dies_in_the_middle_of_a_start_leaves_nothing_twice(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish, after: float
) -> None:
    async def play() -> None:
        dying = open_docker(tmp_path, docker_engine)
        await dying.apply(wish(count=2))
        await asyncio.sleep(after)
        await dying.close()
        async with opened(tmp_path, docker_engine) as backend:
            await backend.apply(wish(count=2))
            found = await until(backend, ready(2))
            deadline = time.monotonic() + 20
            mine = {"label": f"{labels.HUB}={backend.hub}"}
            while (there := {one.id for one in client.containers.list(all=True, filters=mine)}) != {
                one.container for one in found
            }:
                assert time.monotonic() < deadline, there
                await asyncio.sleep(0.2)
                found = await until(backend, ready(2))

    run(play())


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
        await backend.apply(wish(startup_seconds=3.0, environment={"ADDRESS": "127.0.0.1"}))
        failed = await first(backend, lambda one: one.final)
        assert failed.evidence["listening"] == [{"address": "127.0.0.1", "port": 8080}]
        assert "listens on 127.0.0.1:8080, which nobody outside its container reaches" in failed.reason

    scenario(tmp_path, docker_engine, play)


def test_an_open_port_counts_as_ready_only_once_somebody_listens_behind_it(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    late = "import os,time; time.sleep(2); os.execvp('python', ['python', '/program.py'])"

    async def play(backend: DockerBackend) -> None:
        await backend.apply(replace(wish(health_path=None), command=("python", "-c", late)))
        (found,) = await until(backend, ready(1))
        assert (found.ready_at or 0) - found.started_at >= 2
        assert await ask(found.address) == found.id.encode()

    scenario(tmp_path, docker_engine, play)


def test_one_that_hangs_is_started_again(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play(backend: DockerBackend) -> None:
        await backend.apply(wish())
        (before,) = await until(backend, ready(1))
        client.containers.get(before.container).exec_run(["sh", "-c", "kill -STOP $(pidof python)"])
        after = await first(backend, lambda one: one.restarts == 1 and one.state is State.READY, 40)
        assert after.evidence["hung"]

    patience = Patience(interval=0.2, timeout=0.5, misses=2)
    scenario(tmp_path, docker_engine, play, patience=patience)


def test_containers_of_an_instance_share_address_and_life(
    docker_engine: Engine,
    client: docker.DockerClient,
    tmp_path: Path,
    wish: Wish,
    program_image: str,
) -> None:
    beside = Container(program_image, ("python", "/program.py"), {"BEHAVIOUR": "serve", "ADDRESS": "127.0.0.1"}, 9000)
    reach = "import urllib.request as u; u.urlopen('http://127.0.0.1:9000', timeout=20); import runpy; "
    main = ("python", "-c", reach + "runpy.run_path('/program.py', run_name='__main__')")
    waiting = ("sh", "-c", 'until wget -q -O- http://127.0.0.1:9000; do sleep 0.1; done; exec "$@"', "sh", *main)

    async def play(backend: DockerBackend) -> None:
        await backend.apply(replace(wish(), containers=(beside,), command=waiting))
        (before,) = await until(backend, ready(1))
        found = client.containers.list(filters={"label": f"{labels.INSTANCE}={before.id}"})
        assert len(found) == 2
        next(one for one in found if one.labels[labels.PART] == "1").kill()
        after = await first(backend, lambda one: one.restarts == 1 and one.state is State.READY)
        assert after.evidence["exit"] == {"signal": 9}
        assert after.evidence["container"] == f"container 2 ({program_image})"
        assert after.reason == ""
        assert len(client.containers.list(filters={"label": f"{labels.INSTANCE}={before.id}"})) == 2

    scenario(tmp_path, docker_engine, play)


def test_further_ports_are_told_by_name_and_health_may_have_its_own(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    both = "python /program.py & PORT=$0 exec python /program.py"

    async def play(backend: DockerBackend) -> None:
        shell = replace(wish(), command=("sh", "-c", both, "{grpc_port}"), ports=("grpc",))
        await backend.apply(shell)
        (found,) = await until(backend, ready(1))
        assert set(found.ports) == {"grpc"}
        assert found.ports["grpc"] != found.address
        assert await answer(found.ports["grpc"]) == found.id.encode()
        await backend.remove("iris")
        await until(backend, lambda found: not found)
        shell = replace(wish(), command=("sh", "-c", both, "9100"), health_port=9100)
        await backend.apply(shell)
        await until(backend, ready(1))

    scenario(tmp_path, docker_engine, play)


def test_what_it_reports_is_told_as_phases_and_is_not_in_its_log(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play(backend: DockerBackend) -> None:
        await backend.apply(wish("refuse"))
        failed = await first(backend, lambda one: one.final)
        assert failed.evidence["phase"] == "load"
        assert failed.phases[0]["phase"] == "load"
        assert await texts(backend.logs("iris")) == []

    scenario(tmp_path, docker_engine, play)


def test_long_lines_are_whole_and_the_last_ones_are_kept_when_it_is_gone(
    docker_engine: Engine, client: docker.DockerClient, tmp_path: Path, wish: Wish
) -> None:
    async def play(backend: DockerBackend) -> None:
        await backend.apply(wish("chatter", environment={"LINES": "100"}))
        await until(backend, ready(1))
        living = await texts(backend.logs("iris"))
        assert [len(line) for line in living if line.startswith("y")] == [40000]
        assert await texts(backend.logs("iris", tail=2)) == living[-2:]
        await backend.remove("iris", 1)
        await until(backend, lambda found: not found)
        assert await texts(backend.logs("iris")) == living
        await backend.remove("iris")

    scenario(tmp_path, docker_engine, play)


@pytest.mark.filterwarnings(UNCLOSED)
def test_an_engine_that_was_killed_is_taken_up_with_everything_it_took_along(
    fresh_engine: Engine, tmp_path: Path
) -> None:
    image = bake(fresh_engine)

    async def play(backend: DockerBackend) -> None:
        asked = in_container(workload(count=2), image)
        await backend.apply(asked)
        before = await until(backend, ready(2))
        await asyncio.to_thread(fresh_engine.kill)
        deadline = time.monotonic() + 20
        while not backend.trouble:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert [one.id for one in await backend.instances()] == [one.id for one in before], "as last seen"
        await asyncio.to_thread(fresh_engine.start)

        def again(found: Sequence[Instance]) -> bool:
            return ready(2)(found) and all(one.restarts == 1 for one in found)

        after = await until(backend, again, 60)
        assert {one.id for one in after} == {one.id for one in before}
        assert all(one.evidence.get("engine_gone") for one in after)

    scenario(tmp_path, fresh_engine, play)
