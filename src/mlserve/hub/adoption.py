"""Services of a hub whose store was lost, from what their instances say of themselves. No I/O but the wishes."""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlserve.descriptor import masked
from mlserve.descriptor.shapes import shape
from mlserve.hub.groups.records import Group
from mlserve.hub.records import LastUpdate, Service, Version, to_data, version_from
from mlserve.hub.wishes import Wishes
from mlserve.workload import Workload

log = logging.getLogger("mlserve.hub")

FORMAT = 1
HIDDEN = "***"


def told(service: Service, version: Version) -> str:
    """What a version's instances carry, for a hub that will know nothing else: no token, no secret."""
    descriptor = {name: value for name, value in masked(dict(version.descriptor)).items() if name != "token"}
    kept = {**to_data(version), "descriptor": descriptor, "failure": None}
    about = {"public": service.public, "trial": service.trial_until is not None, "created_at": service.created_at}
    return json.dumps({"format": FORMAT, "service": about, "version": kept}, separators=(",", ":"), sort_keys=True)


class Adoption:
    """Writes services that instances tell of as if they had been wished."""

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes
        self.thrown_away: set[str] = set()
        """Services of `mlserve test` whose hub died: they are not taken up."""

    def take_up(self, place: str, workloads: Sequence[Workload]) -> list[str]:
        """Make services of what is not wished yet; the names of those that were made."""
        made = []
        for name in sorted({workload.service for workload in workloads} - {s.name for s in self._wishes.services()}):
            told_of = list(_readable(workload for workload in workloads if workload.service == name))
            if any(record["service"]["trial"] for _, record in told_of):
                self.thrown_away.add(name)
            elif told_of:
                service, versions = rebuilt(place, told_of, now=time.time())
                for version in versions:
                    self._wishes.put_version(version)
                self._wishes.put(service)
                self._keep_group(versions[-1])
                made.append(name)
                log.warning("event=adopted service=%s resource=%s versions=%s", name, place, len(versions))
        return made

    def _keep_group(self, version: Version) -> None:
        """Its group has an address again, with a new token; how its requests were shared is lost."""
        metadata = shape(dict(version.descriptor)).values.get("metadata")
        name = metadata.get("group") if isinstance(metadata, dict) else None
        if name and name not in {group.name for group in self._wishes.groups()}:
            self._wishes.put_group(Group(str(name), secrets.token_urlsafe(24), time.time()))


def rebuilt(
    place: str, told_of: Sequence[tuple[Workload, Mapping[str, Any]]], *, now: float
) -> tuple[Service, list[Version]]:
    """A service and its versions.

    Instances are made before their version has proven itself, so they can't tell. Of two versions the older one
    serves, since its update was under way; one alone is proven anew.
    """
    versions = sorted({v.number: v for v in (_version(record) for _, record in told_of)}.values(), key=_number)
    first, last = versions[0], versions[-1]
    if len(versions) > 1:
        versions[0] = first = replace(first, served=True)
    counts = {workload.version: max(workload.count, 1) for workload, _ in told_of}
    newest, record = max(told_of, key=lambda pair: pair[0].version)
    about = record["service"]
    service = Service(
        name=newest.service,
        token="" if about["public"] else secrets.token_urlsafe(24),
        public=bool(about["public"]),
        resource=place,
        created_at=float(about["created_at"]),
        updated_at=now,
        count=max(counts.values()),
        serving_count=counts[first.number],
        restarts=max(int(workload.revision) for workload, _ in told_of),
        latest=last.number,
        target=last.number,
        serving=first.number if len(versions) > 1 else None,
        last_update=LastUpdate(last.number, "running") if len(versions) > 1 else None,
    )
    return service, versions


def _number(version: Version) -> int:
    return version.number


def _version(record: Mapping[str, Any]) -> Version:
    version = version_from(record["version"])
    return replace(version, warnings=(*version.warnings, *_warnings(record)))


def _warnings(record: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    if not record["service"]["public"]:
        message = "the hub's store was lost: the service has a new token, and whoever uses it needs that one"
        yield {"pointer": "/token", "code": "adopted", "message": message}
    if HIDDEN in json.dumps(record["version"]["descriptor"]):
        message = "its secrets are lost with the hub's store: mlserve update it with its file before it starts anew"
        yield {"pointer": "", "code": "adopted", "message": message}


def _readable(workloads: Iterable[Workload]) -> Iterable[tuple[Workload, Mapping[str, Any]]]:
    """With their records; what another mlserve wrote is left out."""
    for workload in workloads:
        try:
            record = json.loads(workload.record)
            if record["format"] == FORMAT:
                _version(record)
                yield workload, record
        except (ValueError, KeyError, TypeError) as exc:
            log.warning("event=not-adopted service=%s reason=%r", workload.service, str(exc))
