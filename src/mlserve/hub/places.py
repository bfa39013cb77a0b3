"""The resource groups of a hub: backends, each under a name. `metadata.resource` picks one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlserve.backends.absent import AbsentBackend
from mlserve.backends.base import Backend, ImageBackend
from mlserve.backends.choice import open_backend
from mlserve.descriptor import BACKENDS
from mlserve.errors import Conflict, InvalidDescriptor, InvalidInput, MlserveError, NotFound, ResourceUnavailable
from mlserve.hub.calling.rules import reached
from mlserve.hub.store.base import Record, Store
from mlserve.hub.vault import Vault

LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Place:
    """One resource group: its name, the kind of its backend, the options it was added with, the backend itself."""

    name: str
    kind: str
    backend: Backend
    options: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    """AWS_… and OSS_… variables for the storage that its services name; over the hub's own."""

    @property
    def contained(self) -> bool:
        """Its instances are containers; known of its kind while the group is away."""
        return "images" in BACKENDS.get(self.kind, ()) or isinstance(self.backend, ImageBackend)

    def require_there(self) -> None:
        """Raise ResourceUnavailable where it can't be asked just now."""
        if self.backend.trouble:
            raise ResourceUnavailable(
                f'the resource group "{self.name}" is away: {self.backend.trouble}',
                hint=f"mlserve resource describe {self.name} shows when it is back; what runs there goes on",
            )


class Places:
    """All resource groups; `local` is always there. Made inside a running event loop.

    ``hub``: the id that the instances of this hub carry, where a place has those of several. ``gateway``: its address.
    """

    def __init__(self, home: Path, store: Store, hub: str = "", gateway: str = "") -> None:
        self._home, self._store, self._hub, self._gateway = home, store, hub, gateway
        self._vault = Vault(home / "resources")
        self._places = {LOCAL: Place(LOCAL, LOCAL, open_backend(LOCAL, home, {}, hub))}
        self._adding: set[str] = set()
        for record in store.list("resource"):
            self._places[record.key] = self._reopened(record)

    @property
    def default(self) -> str:
        """The group that an empty ``metadata.resource`` means."""
        record = self._store.get("setting", "default-resource")
        name = str(record.data["name"]) if record else LOCAL
        return name if name in self._places else LOCAL

    def all(self) -> Sequence[Place]:
        """Every group, `local` first."""
        return list(self._places.values())

    def find(self, name: str) -> Place | None:
        """A group by name, or None."""
        return self._places.get(name)

    def gateway(self, place: Place) -> str:
        """The gateway's address as instances there reach it; empty where they can't."""
        return reached(self._gateway, contained=place.contained, options=place.options)

    def get(self, name: str) -> Place:
        """A group by name; raises NotFound."""
        if name not in self._places:
            raise NotFound(
                f'no resource group "{name}" (groups: {", ".join(self._places)})',
                hint="mlserve resource list shows all of them",
            )
        return self._places[name]

    def pick(self, word: str) -> Place:
        """The group that a descriptor's ``metadata.resource`` means; raises InvalidDescriptor."""
        if (word or self.default) in self._places:
            return self._places[word or self.default]
        message = f'this hub has no resource group "{word}" (groups: {", ".join(self._places)})'
        detail = {"pointer": "/metadata/resource", "code": "unsupported", "message": message}
        raise InvalidDescriptor(
            message,
            hint='leave resource empty for the default, or "mlserve resource add" the group first',
            details=[detail],
        )

    async def add(
        self,
        name: str,
        kind: str,
        options: Mapping[str, Any],
        *,
        credentials: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> Place:
        """Open a backend under a new name and keep it; raises Conflict, InvalidInput.

        ``check``: ask it first, and raise ResourceUnavailable, with nothing kept, where it gives no answer.
        """
        if name in self._places or name in self._adding:
            raise Conflict(
                f'there is a resource group "{name}" already', hint=f"mlserve resource remove {name} frees the name"
            )
        self._adding.add(name)
        try:
            place = self._opened(name, kind, options, credentials or {})
            if check:
                await _ask(place)
            await self._require_another(place)
            self._vault.put(name, credentials or {})
            self._store.put(Record("resource", name, {"backend": kind, "options": dict(options)}), 0)
        finally:
            self._adding.discard(name)
        self._places[name] = place
        return place

    async def remove(self, name: str) -> None:
        """Forget a group; `local` stays."""
        place = self.get(name)
        if name == LOCAL:
            raise InvalidInput(
                f'the resource group "{LOCAL}" is this machine itself and stays', hint="remove another one"
            )
        if self.default == name:
            self.use(LOCAL)
        self._store.delete("resource", name)
        self._vault.delete(name)
        del self._places[name]
        await place.backend.close(for_good=True)

    def use(self, name: str) -> Place:
        """Make a group the default one; raises NotFound. Services that are there stay where they are."""
        place = self.get(name)
        known = self._store.get("setting", "default-resource")
        self._store.put(Record("setting", "default-resource", {"name": name}), known.revision if known else 0)
        return place

    async def close(self, *, for_good: bool = False) -> None:
        """Let go of every group."""
        for place in self._places.values():
            await place.backend.close(for_good=for_good)

    async def _require_another(self, place: Place) -> None:
        """One place under two names would be two hubs' work: each took the other's instances for left over ones."""
        for other in self._places.values():
            same = other.kind == place.kind and dict(other.options) == dict(place.options) and other.kind != LOCAL
            if same or (other.backend.about.get("id") and other.backend.about["id"] == place.backend.about.get("id")):
                await place.backend.close(for_good=True)
                raise Conflict(
                    f'the resource group "{other.name}" is this very place already',
                    hint=f"use it: --set metadata.resource={other.name}, or mlserve resource remove {other.name} first",
                )

    def _reopened(self, record: Record) -> Place:
        """A group as it was added; one that can't be opened any more keeps its name, so that its services can wait."""
        kind, options = record.data["backend"], record.data["options"]
        try:
            return self._opened(record.key, kind, options, self._vault.get(record.key))
        except MlserveError as exc:
            return Place(record.key, kind, AbsentBackend(exc), options)

    def _opened(self, name: str, kind: str, options: Mapping[str, Any], credentials: Mapping[str, str]) -> Place:
        backend = open_backend(kind, self._home / "resources" / name, options, self._hub)
        return Place(name, kind, backend, dict(options), dict(credentials))


async def _ask(place: Place) -> None:
    try:
        await place.backend.capacity()
    except MlserveError as exc:
        await place.backend.close(for_good=True)
        raise ResourceUnavailable(
            f'the resource group "{place.name}" was not added: {exc.message}',
            hint=f"{exc.hint}; --no-check adds it all the same" if exc.hint else "--no-check adds it all the same",
        ) from exc
    except BaseException:
        await place.backend.close(for_good=True)
        raise
