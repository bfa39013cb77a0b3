"""The release of one service, as the hub shows it, and what can be done to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlserve.management import Management, service_path


class Releases:
    """Each verb answers how the release stands afterwards. Raises Conflict where none is under way."""

    def __init__(self, management: Management, name: str) -> None:
        self._management, self._name = management, name

    def status(self) -> Mapping[str, Any]:
        """The release that is under way, else the last one; raises NotFound where there was none."""
        found: Mapping[str, Any] = self._management.get(service_path(self._name, "release"))
        return found

    def promote(self) -> Mapping[str, Any]:
        """Let the step pass that it is at."""
        return self._do("promote")

    def pause(self) -> Mapping[str, Any]:
        """Stay at this step; errors still end it."""
        return self._do("pause")

    def resume(self) -> Mapping[str, Any]:
        """Go on after a pause."""
        return self._do("resume")

    def abort(self) -> Mapping[str, Any]:
        """Give all requests back to the version that served before."""
        return self._do("abort")

    def _do(self, verb: str) -> Mapping[str, Any]:
        self._management.post(service_path(self._name, f"release/{verb}"))
        return self.status()
