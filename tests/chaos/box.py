"""A resource group on a real engine, with a small image to serve there; afterwards nothing of it may be left."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
from docker.models.containers import Container
from tests.chaos.load import Load
from tests.docker_engine import Engine, base_image
from tests.waiting import until

from mlserve.client import Client, Service

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "image"
IMAGE = "mlserve-example-wines"
BOX = "box"
SMALL = ["metadata.memory=128", "metadata.cpu=0.5", f"metadata.resource={BOX}"]
WINE = (EXAMPLE / "request.json").read_bytes()


def with_wines(engine: Engine) -> Engine:
    """The engine, with the image of the example built in it."""
    base_image(engine)
    with closing(engine.client()) as client:
        client.images.build(path=str(EXAMPLE), tag=IMAGE, rm=True)
    return engine


@contextmanager
def box(client: Client, engine: Engine, **options: str) -> Iterator[None]:
    """The engine as the group ``box``; at the end its services are deleted, and it has to be as empty as before."""
    before = held_by(engine)
    client.resources.add(BOX, "docker", {"host": engine.host, **options})
    yield
    for service in client.services.list():
        service.delete(timeout=60)
    client.resources.remove(BOX)
    assert held_by(engine) == before, "containers, volumes or networks are left"


def wines(client: Client, *settings: str, instances: int = 2) -> Service:
    """The example, served in the box."""
    wishes = [*SMALL, f"metadata.instance={instances}", *settings]
    return client.services.create(EXAMPLE / "service.json", set=wishes).wait(timeout=60)


def under_load(service: Service, body: bytes = WINE) -> Load:
    """Four connections, each of which asks about fifty times a second."""
    return Load(service.endpoint, service.token or "", body, connections=4, pause=0.02, limit=90)


def held_by(engine: Engine) -> set[str]:
    """Containers, volumes and networks, whoever made them."""
    with closing(engine.client()) as client:
        held = {f"container {one.name}" for one in client.containers.list(all=True, ignore_removed=True)}
        held |= {f"volume {one.name}" for one in client.volumes.list()}
        return held | {f"network {one.name}" for one in client.networks.list()}


@contextmanager
def container_of(engine: Engine, instance: Mapping[str, Any]) -> Iterator[Container]:
    """The container that an instance is."""
    with closing(engine.client()) as client:
        yield client.containers.get(instance["container"])


def process_of(engine: Engine, instance: Mapping[str, Any]) -> int:
    """The first process of its container, as this machine numbers it."""
    with container_of(engine, instance) as container:
        return int(container.attrs["State"]["Pid"])


def processes_of(engine: Engine, service: Service) -> set[int]:
    return {process_of(engine, instance) for instance in service.instances()}


def settled(service: Service, count: int) -> bool:
    """So many instances are ready, and the service runs."""
    instances = service.instances()
    return len(instances) == count and all(one["state"] == "Ready" for one in instances) and is_running(service)


def is_running(service: Service) -> bool:
    return bool(service.reload().status == "Running")


def named_by_why(service: Service, words: str) -> bool:
    """Whether a failure record of the service, which is what ``mlserve why`` prints, has the words."""
    return words.lower() in json.dumps(service.why()).lower()


def programs_with(text: str) -> list[list[str]]:
    """The command lines of running programs that have the text in an argument."""
    running = [process.info for process in psutil.process_iter(["cmdline", "status"])]
    alive = [one["cmdline"] or [] for one in running if one["status"] != psutil.STATUS_ZOMBIE]
    return [words for words in alive if any(text in word for word in words)]


__all__ = ["BOX", "Load", "until"]
