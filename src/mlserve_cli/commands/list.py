"""List the services."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlserve import connect
from mlserve_cli import report
from mlserve_cli.options import Output
from mlserve_cli.render import Format, show


def command(output: Output = Format.table) -> None:
    """List the services."""
    hub = connect()
    services = hub.services.list()
    if not services and output is Format.table:
        report.note("no services yet: mlserve create FILE makes one")
    found = [service.to_dict() for service in services]
    show(output, found, lambda: "\n".join([repr(services), *_groups(hub.groups.list()), *_reasons(found)]))


def _groups(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """A table of the groups below that of the services, where there are any."""
    return ["", repr(groups)] if groups else []


def _reasons(services: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why some are Degraded, a line each reason: a group that goes away takes all its services along."""
    names: dict[str, list[str]] = {}
    for one in services:
        if reason := one.get("reason"):
            names.setdefault(reason, []).append(one["name"])
    return [f"{', '.join(those)}: {reason}" for reason, those in names.items()]
