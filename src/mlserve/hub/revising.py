"""What a submission makes of a service: its next version, and whether it is another one at all."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlserve.descriptor import Descriptor, is_path, set_values
from mlserve.descriptor.shapes import shape
from mlserve.errors import InvalidInput
from mlserve.hub.acceptance import Accepted, Submission
from mlserve.hub.records import Service, Version


def named(raw: Mapping[str, Any]) -> str:
    """The name that a descriptor gives its service, "" where it gives none; raises InvalidDescriptor."""
    name = shape(raw).values.get("name")
    return name if isinstance(name, str) else ""


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


def same_but_count(newest: Version, submission: Submission) -> bool:
    """Whether a submission is this version again, with another number of instances at most."""

    def rest(raw: Mapping[str, Any]) -> dict[str, Any]:
        return {**raw, "metadata": {k: v for k, v in dict(raw.get("metadata") or {}).items() if k != "instance"}}

    return rest(newest.descriptor) == rest(submission.descriptor) and dict(newest.content) == dict(submission.content)


def access(service: Service, descriptor: Descriptor) -> dict[str, Any]:
    """Who may ask it: a service keeps its token where the descriptor names none."""
    token = descriptor.token or service.token or secrets.token_urlsafe(24)
    return {"public": descriptor.public, "token": "" if descriptor.public else token}
