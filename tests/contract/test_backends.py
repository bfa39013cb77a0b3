"""What every backend does, whatever its instances are. A new backend joins by one `Kind`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.contract.containers import in_container, open_docker, program_image
from tests.contract.fake_backend import FakeBackend
from tests.docker_engine import Engine
from tests.waiting import eventually

from mlserve.backends.base import Backend, Instance, LogLine, Resources, State, Workload
from mlserve.backends.local.backend import LocalBackend
from mlserve.errors import InvalidDescriptor, NoCapacity

__all__ = ["program_image"]

PROGRAM = str(Path(__file__).with_name("program.py"))


@dataclass(frozen=True)
class Kind:
    """How a backend is opened, how one of its instances is killed from outside, and how a workload is put to it."""

    open: Callable[[Path], Any]
    kill: Callable[[Any, Instance], None]
    suit: Callable[[Workload], Workload] = lambda wish: wish
    unsupported: Callable[[Workload], Workload] = lambda wish: replace(wish, image="nginx", command=())


def _kill_process(_: Any, instance: Instance) -> None:
    assert instance.pid
    os.kill(instance.pid, signal.SIGKILL)


BACKENDS = {
    "local": Kind(LocalBackend, _kill_process),
    "fake": Kind(lambda home: FakeBackend(), lambda backend, instance: backend.kill(instance.id)),
}


def in_containers(engine: Engine, image: str) -> Kind:
    """Containers of a real engine."""

    def kill(_: Any, instance: Instance) -> None:
        with closing(engine.client()) as client:
            client.containers.get(instance.container).kill()

    return Kind(
        lambda home: open_docker(home, engine),
        kill,
        suit=lambda wish: in_container(wish, image) if wish.command else wish,
        unsupported=lambda wish: replace(wish, command=()),
    )


@pytest.fixture(params=[*BACKENDS, "docker"])
def kind(request: pytest.FixtureRequest) -> Kind:
    if request.param == "docker":
        return in_containers(request.getfixturevalue("docker_engine"), request.getfixturevalue("program_image"))
    return BACKENDS[request.param]


def workload(behaviour: str = "serve", count: int = 1, **more: Any) -> Workload:
    given: dict[str, Any] = {"drain_seconds": 5.0, "startup_seconds": 20.0, "health_path": "/health", **more}
    environment = {"BEHAVIOUR": behaviour, **given.pop("environment", {})}
    return Workload("iris", 1, count, command=(sys.executable, PROGRAM), environment=environment, **given)


class Suited:
    """A backend to which each workload is put as it suits its kind."""

    def __init__(self, backend: Any, kind: Kind) -> None:
        self._backend, self._kind = backend, kind

    async def apply(self, wish: Workload) -> None:
        await self._backend.apply(self._kind.suit(wish))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


@asynccontextmanager
async def opened(kind: Kind, home: Path) -> AsyncIterator[Any]:
    backend = kind.open(home)
    try:
        yield Suited(backend, kind)
    finally:
        for service in {instance.service for instance in await backend.instances()}:
            await backend.remove(service)
        await until(backend, lambda found: not found)
        await backend.close()


async def until(backend: Backend, wanted: Callable[[Sequence[Instance]], bool]) -> Sequence[Instance]:
    found: Sequence[Instance] = ()

    async def looked() -> bool:
        nonlocal found
        found = await backend.instances("iris")
        return wanted(found)

    await eventually(looked, "such instances of iris")
    return found


def ready(count: int) -> Callable[[Sequence[Instance]], bool]:
    return lambda found: [instance.state for instance in found] == [State.READY] * count


async def texts(lines: AsyncIterator[LogLine]) -> list[str]:
    return [line.text async for line in lines]


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_as_many_instances_become_ready_as_were_wished(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(kind, tmp_path) as backend:
            await backend.apply(workload(count=2))
            found = await until(backend, ready(2))
            assert len({instance.id for instance in found}) == 2
            assert len({instance.address for instance in found}) == 2
            assert all(instance.address.startswith("127.0.0.1:") for instance in found)
            assert {(instance.service, instance.version) for instance in found} == {("iris", 1)}

    run(scenario())


def test_the_same_wish_again_changes_nothing(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(kind, tmp_path) as backend:
            await backend.apply(workload(count=2))
            before = await until(backend, ready(2))
            await backend.apply(workload(count=2))
            assert list(await backend.instances()) == list(before)

    run(scenario())


def test_surplus_instances_drain_until_nobody_sends_them_anything(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(kind, tmp_path) as backend:
            await backend.apply(workload(count=2, drain_seconds=60.0))
            await until(backend, ready(2))
            fewer = workload(count=1, drain_seconds=60.0)
            await backend.apply(fewer)
            found = await until(backend, lambda found: any(one.state is State.DRAINING for one in found))
            draining = next(instance for instance in found if instance.state is State.DRAINING)
            assert draining.address, "it still answers"
            await backend.apply(fewer)
            assert len(await backend.instances()) == 2
            await backend.apply(replace(fewer, withdrawn=frozenset({draining.id})))
            await until(backend, ready(1))

    run(scenario())


def test_draining_ends_by_itself_after_its_time(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(kind, tmp_path) as backend:
            await backend.apply(workload(drain_seconds=0.5))
            await until(backend, ready(1))
            await backend.apply(workload(count=0, drain_seconds=0.5))
            await until(backend, lambda found: not found)

    run(scenario())


def test_a_new_revision_replaces_instances_without_a_gap(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(kind, tmp_path) as backend:
            await backend.apply(workload(count=2))
            old = {instance.id for instance in await until(backend, ready(2))}
            wish = workload(count=2, revision="1")
            await backend.apply(wish)

            def replaced(found: Sequence[Instance]) -> bool:
                serving = [instance for instance in found if instance.state is State.READY]
                assert len(serving) >= 2, found
                assert len([instance for instance in found if instance.state is not State.DRAINING]) <= 3
                return len(serving) == 2 and all(instance.revision == "1" for instance in serving)

            new = {i.id for i in await until(backend, replaced) if i.revision == "1"}
            assert not old & new
            await backend.apply(replace(wish, withdrawn=frozenset(old)))
            await until(backend, ready(2))

    run(scenario())


def test_an_instance_that_dies_comes_back_under_its_id_and_tells_how_it_died(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(kind, tmp_path) as backend:
            await backend.apply(workload())
            (before,) = await until(backend, ready(1))
            kind.kill(backend, before)
            (after,) = await until(backend, lambda found: found[0].restarts == 1 and ready(1)(found))
            assert after.id == before.id
            assert after.evidence["exit"] == {"signal": 9}
            assert not after.final

    run(scenario())


def test_a_start_that_cannot_succeed_is_not_tried_again(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(kind, tmp_path) as backend:
            await backend.apply(workload("refuse"))
            (failed,) = await until(backend, lambda found: found[0].final)
            assert failed.state is State.FAILED
            assert failed.restarts == 0
            assert failed.evidence["report_failure"]["cause"] == "load-exception"
            assert "no such weights" in failed.reason

    run(scenario())


def test_other_deaths_at_the_start_are_tried_three_times(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(kind, tmp_path) as backend:
            begun = time.monotonic()
            await backend.apply(workload("leave"))
            (failed,) = await until(backend, lambda found: found[0].final)
            assert time.monotonic() - begun > 2.9, "1 s and 2 s apart"
            assert failed.restarts == 2
            assert failed.evidence["exit"] == {"status": 3}
            assert failed.evidence["log"] == ["leaving"]
            assert await texts(backend.logs("iris", previous=True)) == ["leaving"]

    run(scenario())


def test_a_version_that_served_is_tried_again_whatever_the_reason(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(kind, tmp_path) as backend:
            await backend.apply(workload("refuse", has_served=True))
            (failed,) = await until(backend, lambda found: found[0].restarts >= 1)
            assert not failed.final

    run(scenario())


def test_removing_leaves_nothing_and_may_be_repeated(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(kind, tmp_path) as backend:
            await backend.remove("iris")
            await backend.apply(workload(count=2))
            await until(backend, ready(2))
            await backend.remove("iris")
            await until(backend, lambda found: not found)
            await backend.remove("iris")
            assert await texts(backend.logs("iris")) == []

    run(scenario())


def test_removing_one_version_keeps_its_log_and_the_other_version(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(kind, tmp_path) as backend:
            await backend.apply(workload())
            await backend.apply(replace(workload(), version=2))
            await until(backend, ready(2))
            await backend.remove("iris", 1)
            (left,) = await until(backend, ready(1))
            assert left.version == 2
            assert await texts(backend.logs("iris")) == ["serving", "serving"]

    run(scenario())


def test_what_is_gone_is_told_until_its_service_is_removed(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(kind, tmp_path) as backend:
            await backend.apply(workload())
            (one,) = await until(backend, ready(1))
            assert await backend.ended("iris") == []
            await backend.apply(replace(workload(count=0), withdrawn=frozenset({one.id})))
            await until(backend, lambda found: not found)
            (gone,) = await backend.ended("iris")
            assert (gone.id, gone.version, gone.state) == (one.id, one.version, State.STOPPED)
            assert await backend.ended("titanic") == []
            await backend.remove("iris")
            await until(backend, lambda found: not found)
            assert await backend.ended() == []

    run(scenario())


def test_a_change_is_noticed_without_being_asked_for(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(kind, tmp_path) as backend:
            await backend.apply(workload())
            await until(backend, ready(1))
            assert backend.changed.is_set()

    run(scenario())


def test_logs_are_told_from_instance_to_instance_cut_and_followed(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(kind, tmp_path) as backend:
            await backend.apply(workload())
            (one,) = await until(backend, ready(1))
            following = backend.logs("iris", follow=True)
            assert (await anext(following)).text == "serving"
            await backend.apply(workload(count=2))
            assert (await asyncio.wait_for(anext(following), 10)).instance != one.id
            await following.aclose()
            await until(backend, ready(2))
            assert [line.instance async for line in backend.logs("iris", instance=one.id)] == [one.id]
            assert len(await texts(backend.logs("iris", tail=1))) == 1
            assert await texts(backend.logs("iris", since=time.time() + 60)) == []

    run(scenario())


def test_what_it_cannot_do_is_refused_and_named(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(kind, tmp_path) as backend:
            with pytest.raises(InvalidDescriptor) as caught:
                await backend.apply(kind.unsupported(workload()))
            assert caught.value.details[0]["pointer"].startswith("/containers")
            assert await backend.instances() == []

    run(scenario())


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        (Resources(cpu=4096), "/metadata/cpu"),
        (Resources(memory_mb=100_000_000), "/metadata/memory"),
        (Resources(gpu=64), "/metadata/gpu"),
    ],
)
def test_more_than_there_is_is_refused_before_anything_changes(
    kind: Kind, tmp_path: Path, asked: Resources, pointer: str
) -> None:
    async def scenario() -> None:
        async with opened(kind, tmp_path) as backend:
            await backend.apply(workload())
            before = await until(backend, ready(1))
            with pytest.raises(NoCapacity) as caught:
                await backend.apply(replace(workload(count=2), resources=asked))
            assert caught.value.details[0]["pointer"] == pointer
            assert caught.value.details[0]["needed"] > caught.value.details[0]["free"]
            assert list(await backend.instances()) == list(before)

    run(scenario())


def test_what_instances_reserve_is_not_free(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(kind, tmp_path) as backend:
            before = await backend.capacity()
            await backend.apply(workload(count=2, resources=Resources(cpu=0.5, memory_mb=1000)))
            after = await backend.capacity()
            assert after.cpu_free == pytest.approx(before.cpu_free - 1)
            assert after.memory_free_mb <= after.memory_mb - 2000

    run(scenario())
