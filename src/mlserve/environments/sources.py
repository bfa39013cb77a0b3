"""Where an installation on another machine is to find packages, from what this one is told."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mlserve.environments.closure import wheels_for
from mlserve.environments.indexes import pip_configuration
from mlserve.environments.wheels import wheel_folders
from mlserve.errors import EnvironmentFailed


@dataclass(frozen=True, slots=True)
class Sources:
    """Files to bring along, and pip's options for all else."""

    wheels: tuple[Path, ...] = ()
    index: tuple[str, ...] = ()
    offline: bool = False
    """The wheels are all that is needed: no index is asked."""


def sources(requirements: Sequence[str], *, offline: bool) -> Sources:
    """Wheels of this machine's folders, alone where they are enough; raises EnvironmentFailed where they must be."""
    configured = pip_configuration()
    found = wheels_for(requirements, wheel_folders(os.environ, configured))
    if offline and found.missing:
        raise EnvironmentFailed(
            f"without the network, wheels are missing: {', '.join(found.missing)}",
            hint="put them into a folder that MLSERVE_WHEELS names (pip download), or unset MLSERVE_OFFLINE",
            details=[{"code": "no-wheel", "message": f"no wheel of {name}"} for name in found.missing],
        )
    enough = bool(requirements) and not found.missing
    return Sources(found.files, () if enough else tuple(_index(configured)), enough)


def _index(configured: Mapping[str, str]) -> list[str]:
    """pip's settings of addresses that are the same elsewhere; one with a password stays here."""
    options: list[str] = []
    for name in ("index-url", "extra-index-url"):
        for address in configured.get(name, "").split():
            parts = urlsplit(address)
            if parts.scheme in ("http", "https") and not parts.username:
                options += [f"--{name}", address]
    for host in configured.get("trusted-host", "").split():
        options += ["--trusted-host", host]
    return options
