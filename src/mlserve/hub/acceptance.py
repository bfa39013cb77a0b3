"""What a hub checks before it accepts a descriptor: nothing is kept or started for one that can't work here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlserve import storage
from mlserve.backends.base import Capacity
from mlserve.backends.room import require_room
from mlserve.descriptor import BACKENDS, EVERYTHING, Descriptor, Parsed, local_paths, parse, resource_of
from mlserve.engines.base import resources
from mlserve.engines.catalogue import find
from mlserve.engines.choice import engine_of
from mlserve.engines.eas import mapped
from mlserve.errors import FetchFailed, InvalidDescriptor, InvalidInput, MlserveError, NoCapacity
from mlserve.hub.calling.rules import require_reached
from mlserve.hub.places import Place, Places
from mlserve.hub.reachable import require_reachable
from mlserve.workload import Resources


@dataclass(frozen=True, slots=True)
class Submission:
    """What a client sends: the descriptor as the user wrote it, and where its local files are in the content store."""

    descriptor: Mapping[str, Any]
    content: Mapping[str, Mapping[str, str]]
    base: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A descriptor that can work here, with the warnings it deserves."""

    descriptor: Descriptor
    place: Place
    warnings: tuple[Mapping[str, Any], ...]


async def accept(submission: Submission, places: Places, content: storage.ContentStore) -> Accepted:
    """Check a submission for a new service; raises InvalidDescriptor, InvalidInput, NoCapacity, FetchFailed, and
    ResourceUnavailable where its group is away.
    """
    accepted = vet(submission, places, content)
    count, wanted = accepted.descriptor.metadata.instance, resources(accepted.descriptor)
    capacity = await accepted.place.backend.capacity()
    short: list[MlserveError] = []
    try:
        require_room(wanted, count, capacity)
    except NoCapacity as exc:
        short.append(exc)
    refuse([*short, *await unreachable(submission, accepted, content)])
    return replace(accepted, warnings=(*accepted.warnings, *cpu_warning(wanted, count, 0, capacity)))


def vet(submission: Submission, places: Places, content: storage.ContentStore, *, default: str = "") -> Accepted:
    """Check all of a submission but whether there is room and whether what it names can be fetched.

    ``default``: the group that it is in, where it names none. Raises as `accept`.
    """
    place, parsed = read(submission.descriptor, places, default=default)
    place.require_there()
    engine = engine_of(parsed.descriptor)
    require_reached(parsed.descriptor, places.gateway(place), place.name)
    warnings = [
        *parsed.warnings,
        *engine.check(parsed.descriptor, contained=place.contained),
        *_processor_warning(parsed.descriptor),
    ]
    _check_content(submission, content)
    return Accepted(parsed.descriptor, place, tuple(warnings))


async def unreachable(
    submission: Submission, accepted: Accepted, content: storage.ContentStore
) -> Sequence[MlserveError]:
    """What it names and can't be fetched, told within seconds; empty where all is there."""
    try:
        await require_reachable(accepted.descriptor, submission.content, content, accepted.place.credentials)
    except FetchFailed as exc:
        return [exc]
    return []


def refuse(short: Sequence[MlserveError]) -> None:
    """Raise what the place lacks and what can't be fetched in one error: whoever mends one should know the other."""
    if len(short) == 1:
        raise short[0]
    if short:
        details = [detail for error in short for detail in error.details]
        hint = "; ".join(error.hint for error in short if error.hint)
        raise type(short[0])("; ".join(error.message for error in short), hint=hint, details=details)


def read(raw: Mapping[str, Any], places: Places, *, default: str = "") -> tuple[Place, Parsed]:
    """A descriptor, read for the resource group it names; what that can't do is refused with the groups that can."""
    place = places.pick(resource_of(dict(raw)) or default)
    try:
        return place, parse(dict(raw), supported=BACKENDS.get(place.kind, EVERYTHING))
    except InvalidDescriptor as exc:
        kinds = {kind for detail in exc.details for kind in detail.get("backends", ())}
        if kinds:
            able = [other.name for other in places.all() if other.kind in kinds]
            exc.hint = _able(able, sorted(kinds))
        raise


def _able(groups: Sequence[str], kinds: Sequence[str]) -> str:
    if groups:
        others = f" (or {', '.join(groups[1:])})" if groups[1:] else ""
        return f"choose a resource group that can: --set metadata.resource={groups[0]}{others}"
    return f"add a resource group that can: mlserve resource add NAME --backend {kinds[0]}"


def cpu_warning(wanted: Resources, count: int, beside: int, capacity: Capacity) -> list[dict[str, Any]]:
    """The CPU of all services together may exceed the cores: they are then slower than each alone."""
    if capacity.cpu is None or capacity.cpu_free is None:
        return []
    others = max(capacity.cpu - capacity.cpu_free - wanted.cpu * beside, 0)
    if others + wanted.cpu * count <= capacity.cpu:
        return []
    message = f"{others:g} of {capacity.cpu:g} cores are reserved already, so this one shares them"
    if not others:
        message = (
            f"{count} × {wanted.cpu:g} cores are asked for, and there are {capacity.cpu:g}: its instances share them"
        )
    return [{"pointer": "/metadata/cpu", "code": "over-subscribed", "message": message}]


def _processor_warning(descriptor: Descriptor) -> list[dict[str, Any]]:
    words = {"/processor": descriptor.processor}
    words |= {f"/pipeline/{index}/processor": step.processor for index, step in enumerate(descriptor.pipeline)}
    gpu = descriptor.metadata.gpu or 0
    return [
        {"pointer": pointer, "code": "mapped", "message": mapped(word, entry.name, gpu=gpu)}
        for pointer, word in words.items()
        if word and (entry := find(word)) and entry.name != word
    ]


def _check_content(submission: Submission, content: storage.ContentStore) -> None:
    for pointer, address in submission.content.items():
        if not {"digest", "name"} <= set(address) or "/" in address["name"]:
            raise InvalidInput(
                f"the content address of {pointer} is not one",
                hint="use this project's client, or POST /v1/content first",
            )
        if not content.path(address["digest"]).is_dir():
            message = f"the files of {pointer} are not in the hub's store ({address['digest'][:19]}…)"
            raise InvalidInput(message, hint="send them first: POST /v1/content/trees")
    local = [pointer for pointer in local_paths(dict(submission.descriptor)) if pointer not in submission.content]
    if local:
        details = [
            {"pointer": pointer, "code": "invalid", "message": "a local path whose files were not sent"}
            for pointer in local
        ]
        raise InvalidDescriptor(
            f"{local[0]} names a local path, and its files were not sent to the hub",
            hint="use mlserve create, which sends them, or file:// for a path on the hub's own machine",
            details=details,
        )
