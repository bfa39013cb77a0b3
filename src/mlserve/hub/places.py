"""The resource groups of a hub: backends, each under a name. `metadata.resource` picks one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlserve.backends.base import Backend
from mlserve.backends.choice import open_backend
from mlserve.errors import Conflict, InvalidDescriptor, InvalidInput, NotFound
from mlserve.hub.store.base import Record, Store

DEFAULT = "local"


@dataclass(frozen=True, slots=True)
class Place:
    """One resource group: its name, the kind of its backend, and the backend itself."""

    name: str
    kind: str
    backend: Backend


class Places:
    """All resource groups; `local` is always there."""

    def __init__(self, home: Path, store: Store) -> None:
        self._home, self._store = home, store
        self._places = {DEFAULT: Place(DEFAULT, "local", open_backend("local", home, {}))}
        for record in store.list("resource"):
            self._add(record.key, record.data["backend"], record.data["options"])

    def all(self) -> Sequence[Place]:
        """Every group, the default first."""
        return list(self._places.values())

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
        if (word or DEFAULT) in self._places:
            return self._places[word or DEFAULT]
        message = f'this hub has no resource group "{word}" (groups: {", ".join(self._places)})'
        detail = {"pointer": "/metadata/resource", "code": "unsupported", "message": message}
        raise InvalidDescriptor(
            message,
            hint='leave resource empty for the default, or "mlserve resource add" the group first',
            details=[detail],
        )

    def add(self, name: str, kind: str, options: Mapping[str, Any]) -> Place:
        """Open a backend under a new name and keep it; raises Conflict, InvalidInput."""
        if name in self._places:
            raise Conflict(
                f'there is a resource group "{name}" already', hint=f"mlserve resource remove {name} frees the name"
            )
        place = self._add(name, kind, options)
        self._store.put(Record("resource", name, {"backend": kind, "options": dict(options)}), 0)
        return place

    def remove(self, name: str) -> None:
        """Forget a group; the default stays."""
        self.get(name)
        if name == DEFAULT:
            raise InvalidInput(
                f'the resource group "{DEFAULT}" is this machine itself and stays', hint="remove another one"
            )
        del self._places[name]
        self._store.delete("resource", name)

    def _add(self, name: str, kind: str, options: Mapping[str, Any]) -> Place:
        self._places[name] = Place(name, kind, open_backend(kind, self._home / "resources" / name, options))
        return self._places[name]
