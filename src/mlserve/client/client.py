"""A hub, as Python sees it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mlserve.client.groups import Group, Groups
from mlserve.client.hub import Hub
from mlserve.client.images import Images
from mlserve.client.resources import Resources
from mlserve.client.service import Service
from mlserve.client.services import Services
from mlserve.client.stored import Stored, Told, upload
from mlserve.client.submission import Source, draft
from mlserve.client.tables import Table
from mlserve.client.tokens import Tokens
from mlserve.client.trial import Trial, try_out
from mlserve.client.uploads import Uploaded
from mlserve.client.waiting import Progress
from mlserve.context import find
from mlserve.errors import NotFound
from mlserve.management import Management, service_path


class Client:
    """A hub's services, groups of them, resource groups, tokens and checks. Safe to share between threads."""

    def __init__(self, management: Management) -> None:
        self._management = management
        self.services = Services(management)
        self.resources = Resources(management)
        self.images = Images(management)
        self.tokens = Tokens(management)
        self.groups = Groups(management)
        self.hub = Hub(management)

    def find(self, name: str) -> Service | Group:
        """The service that has this address, else the group that has it; raises NotFound."""
        try:
            return self.services.get(name)
        except NotFound:
            group = self.groups.find(name)
            if group is None:
                raise
            return group

    def validate(
        self, source: Source, *, set: Sequence[str] = (), fetch: bool = True, on_upload: Uploaded | None = None
    ) -> Mapping[str, Any]:
        """Check a descriptor, and with ``fetch`` its files and the capacity; starts and keeps nothing.

        Gives ``{"valid", "name", "warnings", "errors", "checks"}``. Raises InvalidDescriptor where it doesn't parse.
        """
        ready = draft(source, set)
        body = (
            ready.submission(self._management, on_upload)
            if fetch
            else {"descriptor": ready.raw, "base": str(ready.base)}
        )
        return self._management.post("/v1/validate", {**body, "fetch": fetch}, timeout=3600.0)

    def test(
        self,
        source: Source,
        data: Any = None,
        *,
        set: Sequence[str] = (),
        timeout: float | None = None,
        on_progress: Progress | None = None,
    ) -> Trial:
        """Run one throw-away instance, ask it ``data`` (else something that fits its inputs), and end it again."""
        service = self.services.create(source, set=set, trial=True)
        return try_out(service, data, timeout=timeout, on_progress=on_progress)

    def upload(
        self,
        path: str | os.PathLike[str],
        address: str = "",
        *,
        endpoint: str = "",
        resource: str = "",
        on_upload: Uploaded | None = None,
        on_progress: Told | None = None,
    ) -> Stored:
        """Put a file or folder where a descriptor can name it: at an ``s3://`` or ``oss://`` address, else in the hub.

        What the hub keeps goes a week later, unless a service uses it. The bucket is written to by the hub, with its
        credentials or those of a resource group.
        """
        return upload(
            self._management, path, address, resource=resource, endpoint=endpoint,
            on_upload=on_upload, on_progress=on_progress,
        )  # fmt: skip

    def events(self, name: str | None = None) -> Table:
        """Who did what to a service, also one that is gone, or to the hub itself; newest first. Raises NotFound."""
        path = service_path(name, "events") if name else "/v1/events"
        return Table(self._management.get(path)["events"], ("at", "who", "label", "what", "detail", "outcome", "times"))

    def close(self) -> None:
        """Let go of this thread's connection; a later call opens another."""
        self._management.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<mlserve hub {self._management.address.url}>"


def connect(hub: str | None = None, token: str | None = None, context: str | None = None) -> Client:
    """The hub to work with: the one named, else that of the environment, of the current context, of this machine.

    The local hub is started when needed. Raises HubUnreachable, HubStartFailed.
    """
    return Client(Management(lambda: find(hub, token, context)))
