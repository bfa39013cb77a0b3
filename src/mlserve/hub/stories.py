"""All that went wrong with a service: versions that failed, a group that is away, instances that died."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlserve.hub import failures
from mlserve.hub.records import Version
from mlserve.hub.seen import Seen


def stories(seen: Seen, bounds: Callable[[Version], Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Failure records, newest first; ``bounds``: what holds a version's instances back."""
    wish = seen.service
    told = [version.failure for version in seen.versions.values() if version.failure]
    if seen.trouble:
        told.append(failures.of_absence(wish.name, wish.target, wish.resource, seen.trouble, time.time()))
    died = [i for i in seen.instances if i.evidence and i.id not in {story.get("instance") for story in told}]
    for instance in died:
        at = float(instance.evidence.get("at") or instance.ended_at or 0)
        resources = bounds(seen.versions[instance.version])
        told.append(failures.of_instance(instance, instance.evidence, resources=resources, at=at))
    return sorted(told, key=lambda story: -float(story["at"]))
