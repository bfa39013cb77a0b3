"""`mlserve validate`: every check of a descriptor, its files and the place, and nothing kept or started."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from mlserve.backends.aside import aside
from mlserve.backends.room import require_room
from mlserve.descriptor import Descriptor, paths_of
from mlserve.engines.base import resources
from mlserve.engines.choice import engine_of
from mlserve.engines.runtime import processor_name
from mlserve.errors import InvalidDescriptor, MlserveError
from mlserve.hub.acceptance import Submission, read
from mlserve.hub.calling.rules import require_reached
from mlserve.hub.calling.rules import warnings as unknown
from mlserve.hub.examining import examined
from mlserve.hub.places import Places
from mlserve.hub.prepare import Preparer
from mlserve.hub.records import Version
from mlserve.hub.references import no_fallback


async def validate(
    submission: Submission, places: Places, preparer: Preparer, names: Collection[str] = (), *, fetch: bool
) -> dict[str, Any]:
    """The report: ``checks`` in the order they were made, each passed or failed with a hint.

    ``names``: of the services and groups that there are.
    """
    report = _Report()
    try:
        place, parsed = read(submission.descriptor, places)
    except InvalidDescriptor as exc:
        report.failed("descriptor", exc)
        return report.made(str(submission.descriptor.get("name", "")), [])
    descriptor = parsed.descriptor
    report.passed("descriptor", f"{len(parsed.warnings)} warnings" if parsed.warnings else "")
    warnings = [*parsed.warnings, *unknown(descriptor.calls, names)]
    try:
        require_reached(descriptor, places.gateway(place), place.name)
    except InvalidDescriptor as exc:
        report.failed("calls", exc)
    if descriptor.fallback and descriptor.fallback.service not in names:
        report.failed("fallback", no_fallback(descriptor.fallback.service, names))
    try:
        warnings += engine_of(descriptor).check(descriptor, contained=place.contained)
        if descriptor.processor or descriptor.pipeline:
            report.passed("processor", processor_name(descriptor))
    except InvalidDescriptor as exc:
        report.failed("processor", exc)
    if fetch:
        await _check_files(report, submission, descriptor, preparer, contained=place.contained)
        await _check_place(report, descriptor, places)
    return report.made(descriptor.name, warnings)


class _Report:
    def __init__(self) -> None:
        self.checks: list[dict[str, Any]] = []
        self.errors: list[Mapping[str, Any]] = []

    def passed(self, name: str, detail: str = "") -> None:
        self.checks.append({"name": name, "ok": True, "detail": detail, "hint": ""})

    def failed(self, name: str, error: MlserveError, pointer: str = "") -> None:
        self.checks.append({"name": name, "ok": False, "detail": error.message, "hint": error.hint, "code": error.code})
        self.errors += [_detail(pointer, error, detail) for detail in error.details or [{}]]

    def made(self, name: str, warnings: list[Any]) -> dict[str, Any]:
        return {
            "valid": not self.errors,
            "name": name,
            "warnings": warnings,
            "errors": self.errors,
            "checks": self.checks,
        }


def _detail(pointer: str, error: MlserveError, detail: Mapping[str, Any]) -> Mapping[str, Any]:
    """A detail as the interface has it: where, which code, what."""
    code = detail.get("cause") or detail.get("code") or error.code
    place = {"pointer": detail.get("pointer") or pointer, "code": "not-found" if code == "missing" else code}
    rest = {key: value for key, value in detail.items() if key in ("nearest", "backends")}
    return {**place, "message": detail.get("message") or error.message, **rest}


async def _check_files(
    report: _Report, submission: Submission, descriptor: Descriptor, preparer: Preparer, *, contained: bool
) -> None:
    version = Version(descriptor.name, 0, time.time(), submission.descriptor, submission.content, submission.base)
    found: dict[str, str] = {}
    for pointer, value in paths_of(descriptor).items():
        try:
            path = await preparer.locate(version, descriptor, pointer, value)
        except MlserveError as exc:
            report.failed(pointer[1:], exc, pointer)
            continue
        found[pointer] = str(path)
        report.passed(pointer[1:], path.name)
    try:
        finding = await aside(partial(examined, descriptor, found, contained=contained))
    except MlserveError as exc:
        report.failed("model", exc, "/pipeline" if descriptor.pipeline else "/model_path")
        return
    if finding is not None:
        report.passed("model", finding.summary())


async def _check_place(report: _Report, descriptor: Descriptor, places: Places) -> None:
    try:
        place = places.pick(descriptor.metadata.resource)
        require_room(resources(descriptor), descriptor.metadata.instance, await place.backend.capacity())
    except MlserveError as exc:
        report.failed("capacity", exc)
    else:
        report.passed("capacity", f'resource group "{place.name}"')
