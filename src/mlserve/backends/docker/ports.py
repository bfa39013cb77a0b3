"""Which ports an instance uses inside its container, and where the engine has published them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlserve.workload import Workload

FIRST = 8080
"""For programs that listen where they are told."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Port numbers inside: the one that serves, the one that answers for health, and further ones by name."""

    main: int
    health: int
    named: Mapping[str, int]

    @property
    def all(self) -> list[int]:
        """Every one of them, once."""
        return list(dict.fromkeys([self.main, self.health, *self.named.values()]))


def plan(workload: Workload) -> Ports:
    """The numbers for a workload; a container has its own address, so that all instances have the same."""
    others = {container.port for container in workload.containers} - {None}
    main = workload.port or next(number for number in range(FIRST, 65536) if number not in others)
    taken = {main, workload.health_port, *others}
    free = (number for number in range(FIRST, 65536) if number not in taken)
    return Ports(main, workload.health_port or main, {name: next(free) for name in workload.ports})


def as_text(ports: Ports) -> str:
    """For a label."""
    return json.dumps({"main": ports.main, "health": ports.health, "named": dict(ports.named)}, separators=(",", ":"))


def from_text(text: str) -> Ports:
    """What `as_text` made."""
    data = json.loads(text)
    return Ports(data["main"], data["health"], data["named"])


def published(inspected: Mapping[str, Any]) -> dict[int, int]:
    """Port inside → port of the engine's machine, as an inspected container tells; empty unless it runs."""
    found = (inspected.get("NetworkSettings") or {}).get("Ports") or {}
    bound = {name: bindings for name, bindings in found.items() if bindings and name.endswith("/tcp")}
    return {int(name.partition("/")[0]): int(bindings[0]["HostPort"]) for name, bindings in bound.items()}
