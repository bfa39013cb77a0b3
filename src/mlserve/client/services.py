"""The services of a hub."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import overload

from mlserve.client.plan import Plan
from mlserve.client.service import COLUMNS, Service
from mlserve.client.submission import Source, draft
from mlserve.client.tables import html_table, text_table
from mlserve.client.uploads import Uploaded
from mlserve.management import Management, service_path


class ServiceList(Sequence[Service]):
    """Services, shown as a table."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._services = list(services)

    @overload
    def __getitem__(self, index: int) -> Service: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Service]: ...
    def __getitem__(self, index: int | slice) -> Service | Sequence[Service]:
        return self._services[index]

    def __len__(self) -> int:
        return len(self._services)

    def __repr__(self) -> str:
        return text_table(COLUMNS, [service.row() for service in self._services])

    def _repr_html_(self) -> str:
        return html_table(COLUMNS, [service.row() for service in self._services])


class Services:
    """``client.services``: get, list, create."""

    def __init__(self, management: Management) -> None:
        self._management = management

    def get(self, name: str) -> Service:
        """One service; raises NotFound."""
        return Service(self._management, self._management.get(service_path(name)))

    def list(self) -> ServiceList:
        """All services."""
        return ServiceList(Service(self._management, data) for data in self._management.get("/v1/services")["services"])

    def plan(
        self, source: Source, *, set: Sequence[str] = (), strategy: str = "", on_upload: Uploaded | None = None
    ) -> Plan:
        """What ``create``, or ``update`` where the name exists, would do with a descriptor; nothing is done.

        Raises InvalidDescriptor, and Conflict while another change is under way.
        """
        body = draft(source, set).submission(self._management, on_upload)
        return Plan(self._management.post("/v1/services/plan", {**body, "strategy": strategy}, timeout=60.0))

    def create(
        self, source: Source, *, set: Sequence[str] = (), trial: bool = False, on_upload: Uploaded | None = None
    ) -> Service:
        """Make a service of a descriptor; returns when accepted, ``wait()`` returns when it answers.

        ``set``: changes such as ``metadata.cpu=2``. Raises InvalidDescriptor (nothing was sent), Conflict, NoCapacity.
        """
        body = draft(source, set).submission(self._management, on_upload)
        return Service(self._management, self._management.post("/v1/services", {**body, "trial": trial}))
