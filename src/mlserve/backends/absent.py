"""A resource group that can't even be opened: it keeps its name and says why, and the hub goes on without it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NoReturn

from mlserve.backends.base import Capacity, Instance, LogLine, Workload
from mlserve.errors import MlserveError, ResourceUnavailable


class AbsentBackend:
    """Stands in for a backend whose options mean nothing any more: a docker context that was removed, say."""

    about: Mapping[str, Any] = {}

    def __init__(self, error: MlserveError) -> None:
        self._error = error
        self.trouble = f"{error.message} ({error.hint})" if error.hint else error.message

    async def apply(self, workload: Workload) -> None:
        self._refuse()

    async def remove(self, service: str, version: int | None = None) -> None:
        self._refuse()

    async def instances(self, service: str | None = None) -> Sequence[Instance]:
        return []

    async def ended(self, service: str | None = None) -> Sequence[Instance]:
        return []

    async def logs(self, service: str, **wanted: Any) -> AsyncIterator[LogLine]:
        self._refuse()
        yield  # what makes it an iterator

    async def capacity(self) -> Capacity:
        self._refuse()

    async def close(self, *, for_good: bool = False) -> None:
        pass

    def _refuse(self) -> NoReturn:
        raise ResourceUnavailable(self._error.message, hint=self._error.hint)
