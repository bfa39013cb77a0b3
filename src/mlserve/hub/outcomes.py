"""Write down what became of versions: prepared, proven, failed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mlserve.backends.base import Instance
from mlserve.hub import failures
from mlserve.hub.blueprints import Blueprints
from mlserve.hub.jobs import Key
from mlserve.hub.records import Failure, Version
from mlserve.hub.seen import Seen
from mlserve.hub.wishes import Wishes

log = logging.getLogger("mlserve.hub")


class Outcomes:
    """Whatever is written wakes the loop. Of a service that is gone nothing is."""

    def __init__(self, wishes: Wishes, blueprints: Blueprints, wake: Callable[[], None]) -> None:
        self._wishes, self._blueprints, self._wake = wishes, blueprints, wake

    def change(self, version: Version, **changes: Any) -> None:
        """Change a version's record as it is now, not as the caller saw it."""
        service = self._wishes.find(version.service)
        if service is None:
            return
        current = self._wishes.version(version.service, version.number)
        self._wishes.put_version(replace(current, **changes))
        self._wake()

    def fail(self, seen: Seen, story: Failure) -> None:
        """The version that is wished failed; the first reason stays."""
        version = seen.versions[seen.service.target]
        if version.failure is None:
            log.warning("event=failed service=%s version=%s cause=%s", version.service, version.number, story["cause"])
            self.change(version, failure=story)

    def fail_by(self, seen: Seen, instance: Instance) -> None:
        """It failed because this instance of it did."""
        resources = self._blueprints.bounds(seen.versions[instance.version])
        at = instance.ended_at or time.time()
        self.fail(seen, failures.of_instance(instance, instance.evidence, resources=resources, at=at))

    def crash(self, kind: str, key: Key, error: BaseException) -> None:
        """Work for a version crashed: a fault of this project."""
        if self._wishes.find(key[0]):
            self.change(self._wishes.version(*key), failure=failures.of_crash(*key, kind, error, at=time.time()))
