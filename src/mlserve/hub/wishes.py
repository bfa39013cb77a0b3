"""What was wished, by name: services, their versions and groups, kept in a store and read from memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlserve.errors import Conflict, NotFound
from mlserve.hub.groups.records import Group, group_from
from mlserve.hub.groups.records import to_data as group_data
from mlserve.hub.records import Service, Version, service_from, to_data, version_from
from mlserve.hub.store.base import Record, Store


class Wishes:
    """The services and versions of one hub, written through to its store.

    The hub is the only writer of its store (it holds the home's lock), so what is in memory is what is stored.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._revisions: dict[tuple[str, str], int] = {}
        self._services: dict[str, Service] = {}
        self._versions: dict[str, dict[int, Version]] = {}
        self._groups: dict[str, Group] = {}
        self.changes = 0
        """Counts writes: whoever saw the same number has seen everything."""
        self._load()

    def services(self) -> Sequence[Service]:
        """All services, by name."""
        return [self._services[name] for name in sorted(self._services)]

    def service(self, name: str) -> Service:
        """One service; raises NotFound, which names those that exist."""
        if name not in self._services:
            known = ", ".join(s.name for s in self.services() if s.trial_until is None)
            raise NotFound(f'no service "{name}" (services: {known or "none"})', hint="mlserve list shows all of them")
        return self._services[name]

    def find(self, name: str) -> Service | None:
        """One service, or None."""
        return self._services.get(name)

    def versions(self, name: str) -> Sequence[Version]:
        """All versions of a service, oldest first."""
        found = self._versions.get(name, {})
        return [found[number] for number in sorted(found)]

    def version(self, name: str, number: int) -> Version:
        """One version; raises NotFound."""
        try:
            return self._versions[name][number]
        except KeyError:
            known = ", ".join(str(version.number) for version in self.versions(name)) or "none"
            hint = f"mlserve versions {name} says what each is"
            raise NotFound(f'service "{name}" has no version {number} (versions: {known})', hint=hint) from None

    def create(self, service: Service, version: Version) -> None:
        """Keep a new service and its first version; raises Conflict where the name is taken."""
        if service.name in self._services:
            raise taken(service.name)
        # The version goes first: a hub that dies between the two leaves a version nobody refers to, never the reverse.
        self._forget_versions(service.name)
        self.put_version(version)
        self.put(service)

    def put(self, service: Service) -> None:
        """Write a service."""
        self._write("service", service.name, to_data(service))
        self._services[service.name] = service

    def put_version(self, version: Version) -> None:
        """Write a version."""
        self._write("version", f"{version.service}/{version.number:08d}", to_data(version))
        self._versions.setdefault(version.service, {})[version.number] = version

    def groups(self) -> Sequence[Group]:
        """All groups that somebody named, by name; also those that no service is in any more."""
        return [self._groups[name] for name in sorted(self._groups)]

    def put_group(self, group: Group) -> None:
        """Write a group."""
        self._write("group", group.name, group_data(group))
        self._groups[group.name] = group

    def delete(self, name: str) -> None:
        """Forget a service and its versions."""
        self._erase("service", name)
        self._services.pop(name, None)
        self._forget_versions(name)

    def _load(self) -> None:
        for record in self._store.list("service"):
            self._revisions["service", record.key] = record.revision
            self._services[record.key] = service_from(record.data)
        for record in self._store.list("group"):
            self._revisions["group", record.key] = record.revision
            self._groups[record.key] = group_from(record.data)
        for record in self._store.list("version"):
            version = version_from(record.data)
            self._revisions["version", record.key] = record.revision
            self._versions.setdefault(version.service, {})[version.number] = version

    def _forget_versions(self, name: str) -> None:
        for number in self._versions.pop(name, {}):
            self._erase("version", f"{name}/{number:08d}")

    def _write(self, kind: str, key: str, data: dict[str, Any]) -> None:
        revision = self._revisions.get((kind, key), 0)
        self._revisions[kind, key] = self._store.put(Record(kind, key, data), revision).revision
        self.changes += 1

    def _erase(self, kind: str, key: str) -> None:
        self._store.delete(kind, key)
        self._revisions.pop((kind, key), None)
        self.changes += 1


def taken(name: str) -> Conflict:
    """The error for a name that exists."""
    return Conflict(
        f'the name "{name}" is taken',
        hint=f"mlserve update {name} FILE changes it, mlserve delete {name} frees the name",
    )
