"""What a submission makes of a service: its next version, and whether it is another one at all."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlserve.descriptor import Descriptor, is_path, parse, set_values
from mlserve.descriptor.shapes import shape
from mlserve.errors import Conflict, InvalidInput
from mlserve.hub.acceptance import Accepted, Submission
from mlserve.hub.changes import Side, changed_files, changes, makes_a_version
from mlserve.hub.records import Service, Version
from mlserve.hub.releasing import under_way
from mlserve.hub.wishes import Wishes, taken

_TRIAL_SECONDS = 900.0


def changeable(wishes: Wishes, name: str) -> Service:
    """A service, where nothing is under way that a change would disturb; raises NotFound, Conflict."""
    service = wishes.service(name)
    if service.deleting:
        raise Conflict(f'"{name}" is being deleted', hint="wait until it is gone")
    if service.stopped:
        return service
    release = under_way(service)
    updating = service.serving is not None and service.target != service.serving
    if release or (updating and wishes.version(name, service.target).failure is None):
        raise Conflict(
            f'a release of "{name}" to version {release.new if release else service.target} is under way',
            hint=f"mlserve release status {name} shows how far it is, mlserve release abort {name} ends it",
        )
    return service


def refuse_taken(wishes: Wishes, submission: Submission) -> None:
    """A name that exists is told before what else may be wrong; `Wishes.create` decides."""
    name = submission.descriptor.get("name") or dict(submission.descriptor.get("metadata") or {}).get("name")
    if isinstance(name, str) and wishes.find(name):
        raise taken(name)


NO_MARKS: Mapping[str, str] = {}


def marks_of_both(newest: Version, now: Mapping[str, str]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What the addresses said then and say now, of those that said something both times: silence is no change."""
    then = newest.prepared.marks if newest.prepared else {}
    both = then.keys() & now.keys()
    return {key: then[key] for key in both}, {key: now[key] for key in both}


def named(raw: Mapping[str, Any]) -> str:
    """The name that a descriptor gives its service, "" where it gives none; raises InvalidDescriptor."""
    name = shape(raw).values.get("name")
    return name if isinstance(name, str) else ""


def first(accepted: Accepted, *, trial: bool) -> Service:
    """An accepted submission as a new service; ``trial``: one to try it with, which goes away by itself."""
    descriptor, now = accepted.descriptor, time.time()
    return Service(
        name=f"{descriptor.name[:50]}-test-{secrets.token_hex(3)}" if trial else descriptor.name,
        token="" if descriptor.public else descriptor.token or secrets.token_urlsafe(24),
        public=descriptor.public,
        resource=accepted.place.name,
        created_at=now,
        updated_at=now,
        count=1 if trial else descriptor.metadata.instance,
        serving_count=descriptor.metadata.instance,
        trial_until=now + _TRIAL_SECONDS if trial else None,
    )


def version(name: str, number: int, submission: Submission, accepted: Accepted) -> Version:
    """An accepted submission as it is kept."""
    return Version(
        service=name,
        number=number,
        created_at=time.time(),
        descriptor=submission.descriptor,
        content=submission.content,
        base=submission.base,
        warnings=accepted.warnings,
    )


def merged(newest: Version, submission: Submission | None, changes: Sequence[str]) -> Submission:
    """The newest version's descriptor with some values set, or another descriptor altogether; raises InvalidInput."""
    if submission is None:
        submission = Submission(newest.descriptor, newest.content, newest.base)
    if not changes:
        return submission
    if (
        any(is_path(change.partition("=")[0].strip(), change.partition("=")[2]) for change in changes)
        and submission.descriptor is newest.descriptor
    ):
        raise InvalidInput(
            "a path can't be set on the hub's copy of the descriptor",
            hint="give the file too: mlserve update NAME FILE --set …",
        )
    return replace(submission, descriptor=set_values(dict(submission.descriptor), list(changes)))


def side(submission: Submission, descriptor: Descriptor, resource: str, marks: Mapping[str, str] = NO_MARKS) -> Side:
    """A submission, to be compared with what is there; ``marks``: what its addresses say of their files."""
    files = {**_digests(submission.content), **marks}
    return Side(submission.descriptor, descriptor, resource, descriptor.metadata.instance, files)


def kept(service: Service, newest: Version, marks: Mapping[str, str] = NO_MARKS) -> Side:
    """A version that is there, to be compared with what is wished; ``marks``: what its addresses said."""
    descriptor = parse(dict(newest.descriptor)).descriptor
    said = descriptor.metadata.instance
    if service.said_version == newest.number:
        said = service.said_instances  # by a descriptor that changed nothing else, and so made no version
    files = {**_digests(newest.content), **marks}
    return Side(newest.descriptor, descriptor, service.resource, said, files)


def count(service: Service, old: Side, new: Side) -> int:
    """How many instances there are to be: what was scaled stays where a descriptor asks for no other number."""
    return service.count if new.instances == old.instances else new.instances


def require_count(name: str, wished: int) -> None:
    """Raise InvalidInput for a number of instances that no service has."""
    if not 1 <= wished <= 1000:
        raise InvalidInput(
            f"a service has 1 to 1000 instances, not {wished}",
            hint=f"mlserve stop {name} ends all of them and keeps the service",
        )


def same_but_count(service: Service, newest: Version, submission: Submission, descriptor: Descriptor) -> bool:
    """Whether a submission is this version again, wherever it is to run, with another number of instances at most."""
    old, new = kept(service, newest), side(submission, descriptor, service.resource)
    return not makes_a_version(changes(old, new), changed_files(old, new))


def _digests(content: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {pointer: address["digest"] for pointer, address in content.items()}


def access(service: Service, descriptor: Descriptor) -> dict[str, Any]:
    """Who may ask it: a service keeps its token where the descriptor names none."""
    token = descriptor.token or service.token or secrets.token_urlsafe(24)
    return {"public": descriptor.public, "token": "" if descriptor.public else token}
