"""The SDK as plain functions for notebooks: ``create("service.json")``, ``predict("iris", {...})``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlserve.client import Client, Log, LogLine, Service, Table, Trial, connect
from mlserve.client.experiment import Experiment
from mlserve.client.groups import Group
from mlserve.client.images import Image
from mlserve.client.plan import Plan
from mlserve.client.services import ServiceList
from mlserve.client.stored import Stored
from mlserve.client.submission import Source


def create(source: Source, *, set: Sequence[str] = (), wait: bool = True, timeout: float | None = None) -> Service:
    """Make a service of a descriptor and wait until it answers."""
    return _settle(_client().services.create(source, set=set), wait, timeout)


def update(
    name: str,
    source: Source | None = None,
    *,
    set: Sequence[str] = (),
    strategy: str = "",
    wait: bool = True,
    timeout: float | None = None,
) -> Service:
    """Make a new version of a service and wait until it serves, or until its release waits for `release_promote`."""
    return _settle(describe(name).update(source, set=set, strategy=strategy), wait, timeout)


def rollback(name: str, version: int | None = None, *, wait: bool = True, timeout: float | None = None) -> Service:
    """Go back to a version that served before, or to the one before."""
    return _settle(describe(name).rollback(version), wait, timeout)


def release_status(name: str) -> Mapping[str, Any]:
    """How the release of a service goes, or how the last one went."""
    return describe(name).releases.status()


def release_promote(name: str) -> Mapping[str, Any]:
    """Let a release's step pass."""
    return describe(name).releases.promote()


def release_pause(name: str) -> Mapping[str, Any]:
    """Keep a release at its step."""
    return describe(name).releases.pause()


def release_resume(name: str) -> Mapping[str, Any]:
    """Let a release go on."""
    return describe(name).releases.resume()


def release_abort(name: str, *, wait: bool = True, timeout: float | None = None) -> Service:
    """Give all requests back to the version that served before."""
    service = describe(name)
    service.releases.abort()
    return _settle(service.reload(), wait, timeout)


def plan(source: Source, *, set: Sequence[str] = (), strategy: str = "") -> Plan:
    """What `create` or `update` would do with a descriptor, before anything is done."""
    return _client().services.plan(source, set=set, strategy=strategy)


def list() -> ServiceList:
    """All services."""
    return _client().services.list()


def describe(name: str) -> Service:
    """One service."""
    return _client().services.get(name)


def scale(name: str, instances: int, *, wait: bool = True, timeout: float | None = None) -> Service:
    """Another number of instances."""
    return _settle(describe(name).scale(instances), wait, timeout)


def traffic(group: str, weights: Mapping[str, int] | None = None, **wish: Any) -> Group:
    """Share a group's requests: ``{"blue": 90, "green": 10}``; ``wish``: as of `Groups.traffic`, ``auto=True`` say."""
    return _client().groups.traffic(group, weights, **wish)


def mirror(name: str, other: str, percent: int = 100) -> Service:
    """Send copies of so many of a service's requests in a hundred to another one, whose answers nobody waits for."""
    return describe(name).mirror_to(other, percent)


def end_mirror(name: str) -> Service:
    """Send no more copies of a service's requests."""
    return describe(name).end_mirror()


def ab(name: str, *, metric: str = "reward", since: float | None = None, control: str = "") -> Experiment:
    """How the members of a group, or both versions of a release, do by what callers told of their answers."""
    return _client().find(name).ab(metric=metric, since=since, control=control)


def start(name: str, *, wait: bool = True, timeout: float | None = None) -> Service:
    """Run a stopped or failed service again."""
    return _settle(describe(name).start(), wait, timeout)


def stop(name: str, *, wait: bool = True, timeout: float | None = None) -> Service:
    """End all instances and keep the service."""
    return _settle(describe(name).stop(), wait, timeout)


def restart(name: str, *, wait: bool = True, timeout: float | None = None) -> Service:
    """Replace the instances one at a time."""
    return _settle(describe(name).restart(), wait, timeout)


def delete(name: str, *, wait: bool = True, timeout: float | None = None) -> None:
    """End and forget a service."""
    describe(name).delete(wait=wait, timeout=timeout)


def logs(
    name: str,
    *,
    follow: bool = False,
    tail: int | None = None,
    since: float | None = None,
    instance: str | None = None,
    previous: bool = False,
) -> Log | Iterator[LogLine]:
    """What the instances of a service wrote; with ``follow`` an iterator that goes on."""
    return describe(name).logs(follow=follow, tail=tail, since=since, instance=instance, previous=previous)


def predict(name: str, data: Any, *, model: str | None = None) -> Any:
    """Ask a service or group once; ``model``: one of a Triton server's."""
    return _client().find(name).predict(data, model=model)


def instances(name: str) -> Table:
    """The instances of a service."""
    return describe(name).instances()


def versions(name: str) -> Table:
    """The versions of a service."""
    return describe(name).versions()


def models(name: str) -> Table:
    """The models that a service's instances hold."""
    return describe(name).models()


def load_model(name: str, model: str) -> Table:
    """Load a model in every ready instance of a service."""
    return describe(name).load_model(model)


def unload_model(name: str, model: str) -> Table:
    """Unload a model in every ready instance of a service."""
    return describe(name).unload_model(model)


def why(name: str) -> Sequence[Mapping[str, Any]]:
    """Why a service failed, the newest record first."""
    return describe(name).why()


def events(name: str | None = None) -> Table:
    """Who did what to a service, also one that is gone, or to the hub itself; newest first."""
    return _client().events(name)


def create_token(
    services: Sequence[str], *, scopes: Sequence[str] = ("evaluate",), expires: float = 30 * 86400.0, label: str = ""
) -> Mapping[str, Any]:
    """A token for services, ``fraud*`` for all that begin so: ``["token"]`` has it, and is told once."""
    return _client().tokens.create(services, scopes=scopes, expires=expires, label=label)


def build_image(
    source: Source,
    *,
    set: Sequence[str] = (),
    tag: str = "",
    resource: str = "",
    push: bool = False,
    no_cache: bool = False,
    quiet: bool = False,
) -> Image:
    """Pack a descriptor into one image that serves with nothing else around; its lines are shown unless ``quiet``."""
    on_line = None if quiet else print
    return _client().images.build(
        source, set=set, tag=tag, resource=resource, push=push, no_cache=no_cache, on_line=on_line
    )


def validate(source: Source, *, set: Sequence[str] = (), fetch: bool = True) -> Mapping[str, Any]:
    """Check a descriptor, its files and the capacity, without starting anything."""
    return _client().validate(source, set=set, fetch=fetch)


def upload(path: str, address: str = "", *, endpoint: str = "", resource: str = "") -> Stored:
    """Put a file or folder where a descriptor can name it: at an ``s3://`` or ``oss://`` address, else in the hub."""
    return _client().upload(path, address, endpoint=endpoint, resource=resource)


def test(  # no test, whatever its name says
    source: Source,
    data: Any = None,  # noqa: PT028
    *,
    set: Sequence[str] = (),  # noqa: PT028
    timeout: float | None = None,  # noqa: PT028
) -> Trial:
    """Run one throw-away instance of a descriptor, ask it, and end it again."""
    return _client().test(source, data, set=set, timeout=timeout)


def _client() -> Client:
    return connect()


def _settle(service: Service, wait: bool, timeout: float | None) -> Service:
    return service.wait(timeout) if wait else service
