"""Services, versions and instances as JSON, the way users see them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mlserve.backends.base import Capacity, Gpu, Instance
from mlserve.descriptor import masked
from mlserve.hub import conversions, fallback, made_of, mirror, releasing
from mlserve.hub.limits import Limits
from mlserve.hub.moments import moment
from mlserve.hub.places import Place
from mlserve.hub.plan import Seen, status
from mlserve.hub.progress import Progress
from mlserve.hub.records import Service, Version
from mlserve.hub.releases import view as releases


def service(seen: Seen, *, gateway: str, progress: Progress | None, kind: str) -> dict[str, Any]:
    """A service: its wish, its status and its instances."""
    wish = seen.service
    newest = seen.versions[max(seen.versions)]
    shown = seen.versions[wish.in_force]
    update = wish.last_update
    return {
        "name": wish.name,
        "version": shown.number,
        "status": str(status(seen)),
        "reason": seen.trouble or None,
        "generation": wish.generation,
        "settled": wish.settled >= wish.generation,
        "endpoint": f"{gateway}/api/predict/{wish.name}",
        "token": wish.token or None,
        "public": wish.public,
        "backend": kind,
        "resource": wish.resource,
        "trial": wish.trial_until is not None,
        "instances": [instance(one) for one in seen.instances],
        "created_at": moment(wish.created_at),
        "updated_at": moment(wish.updated_at),
        "descriptor": masked(dict(shown.descriptor)),
        "warnings": [*newest.warnings, *_native(newest)],
        "conversion": _conversion(shown),
        "runs_code": (shown.prepared.runs_code if shown.prepared else "") or None,
        "wished": {"instances": wish.count, "version": wish.target, "stopped": wish.stopped},
        "phases": progress.phases if progress else [],
        "failure": _failure(wish, seen.versions),
        "release": _release(seen),
        "kept": releases.kept(wish.kept),
        "last_update": {"version": update.version, "state": update.state} if update else None,
    }


def related(seen: Seen, limits: Limits) -> dict[str, Any]:
    """The other services of a service: whom it asks, who answers in its place, who gets copies of its requests."""
    return {"calls": list(limits.calls), "fallback": fallback.shown(limits), "mirror": mirror.shown(seen.service)}


def _release(seen: Seen) -> dict[str, Any] | None:
    """The newest release."""
    wish = seen.service
    if wish.release is None:
        return None
    targets = releasing.targets(seen, wish.serving) if wish.serving is not None and not wish.stopped else ()
    return releases.release(wish.release, seen.measured, targets, seen.now)


def instance(one: Instance) -> dict[str, Any]:
    """One instance."""
    where = {"container": one.container} if one.container else {"pid": one.pid}
    return {
        "id": one.id,
        "version": one.version,
        "state": str(one.state),
        "address": one.address,
        "restarts": one.restarts,
        "reason": one.reason,
        **where,
        "facts": dict(one.facts),
        "phases": [dict(phase) for phase in one.phases],
        "started_at": moment(one.started_at),
        "ready_at": moment(one.ready_at) if one.ready_at else None,
    }


def version(wish: Service, one: Version) -> dict[str, Any]:
    """One version of a service."""
    files = one.prepared.files if one.prepared else {}
    files = {**{pointer: address["digest"] for pointer, address in one.content.items()}, **files}
    return {
        "version": one.number,
        "created_at": moment(one.created_at),
        "state": _version_state(wish, one),
        "descriptor": masked(dict(one.descriptor)),
        "digests": made_of.parts(files, one.prepared.environment if one.prepared else ""),
        "files": files,
        "requirements": list(one.prepared.requirements) if one.prepared else [],
        "conversion": _conversion(one),
        "failure": one.failure,
    }


def _conversion(one: Version) -> dict[str, Any] | None:
    """How the model was converted, or why not."""
    return conversions.shown(one.prepared.conversion if one.prepared else None)


def _native(one: Version) -> list[dict[str, Any]]:
    """The warning that a model which could have been ONNX is not, unless the user wished so."""
    record = one.prepared.conversion if one.prepared else None
    if not record or record["to"] is not None or record.get("expected") or one.failure:
        return []  # what failed has a reason of its own to show
    message = f"the model is served by its own library ({record['from']}), slower than ONNX: {record['reason']}"
    return [{"pointer": "/convert", "code": "not-converted", "message": message}]


def capacity(place: Capacity) -> dict[str, Any]:
    """What a place has and what is free."""
    return asdict(place)


def resource(place: Place, room: Capacity | None, *, default: str, reason: str) -> dict[str, Any]:
    """A resource group; ``room``: None where it could not be asked, for that ``reason``."""
    about, reason = place.backend.about, place.backend.trouble or reason
    return {
        "name": place.name,
        "backend": place.kind,
        "default": place.name == default,
        "status": "unavailable" if reason else "ready",
        "reason": reason or None,
        "engine": about.get("version"),
        "api": about.get("api"),
        "os": about.get("os"),
        "arch": about.get("arch"),
        "warning": about.get("warning") or None,
        "options": dict(place.options),
        "credentials": sorted(place.credentials),
        "cpu": room.cpu if room else None,
        "memory_mb": room.memory_mb if room else None,
        "gpus": [_gpu(gpu) for gpu in room.devices] if room else [],
        "free": _free(room) if room else None,
        "capacity": capacity(room) if room else None,
    }


def _gpu(gpu: Gpu) -> dict[str, Any]:
    return {"name": gpu.name, "uuid": gpu.uuid, "memory_mb": gpu.memory_mb, "memory_free_mb": gpu.memory_free_mb}


def _free(room: Capacity) -> dict[str, Any]:
    return {
        "cpu": room.cpu_free,
        "memory_mb": room.memory_free_mb,
        "gpus": room.gpus_free,
        "gpu_memory_gb": room.gpu_memory_free_gb,
    }


def _failure(wish: Service, versions: Mapping[int, Version]) -> Any:
    """Why the newest update failed, or why the version that should serve did."""
    if wish.last_update and wish.last_update.state == "failed":
        return versions[wish.last_update.version].failure
    return versions[wish.target].failure


def _version_state(wish: Service, one: Version) -> str:
    if one.number == wish.serving:
        return "serving"
    if wish.kept and one.number == wish.kept.version:
        return "kept"
    if one.failure:
        return "failed"
    return "starting" if one.number == wish.target else "replaced"
