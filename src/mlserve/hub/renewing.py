"""An image that was removed from its engine comes back: its version is prepared once more, which builds or pulls it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from mlserve.backends.base import Instance, State
from mlserve.hub.plan import Seen
from mlserve.hub.records import Version

log = logging.getLogger(__name__)

_LOST = "image-missing"
_RUNS = (State.STARTING, State.READY, State.DRAINING)


class Renewal:
    """Knows for which wishes that was tried: an image that is lost again at once is a failure like any other."""

    def __init__(self, change: Callable[..., None]) -> None:
        self._change = change
        self._tried: dict[tuple[str, int], int] = {}

    def begin(self, seen: Seen, ended: Instance) -> bool:
        """Forget what was prepared where an instance ended because its image is gone; whether that is so."""
        version = seen.versions[ended.version]
        problem: dict[str, Any] = dict(ended.evidence.get("not_started") or {})
        if problem.get("code") != _LOST or seen.of(version.number, *_RUNS) or not self._first(seen, version):
            return False
        log.warning(
            "event=image-lost service=%s version=%s reason=%r", version.service, version.number, problem.get("error")
        )
        # Not served: should the image not come back, it is tried no more until somebody asks again.
        self._change(version, prepared=None, served=False)
        return True

    def forget(self, service: str) -> None:
        """A service is gone."""
        self._tried = {key: wish for key, wish in self._tried.items() if key[0] != service}

    def _first(self, seen: Seen, version: Version) -> bool:
        key, wish = (version.service, version.number), seen.service.generation
        if self._tried.get(key) == wish:
            return False
        self._tried[key] = wish
        return True
