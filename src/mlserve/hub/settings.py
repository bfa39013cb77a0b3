"""What a hub is started with. The only file of the hub that reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlserve.hub.exposure import UNTOLD, Exposure


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a hub lives and listens. Intervals are seconds."""

    home: Path
    exposure: Exposure = UNTOLD
    """What it was told of who may reach it from where; nothing: as before."""
    address: str = ""
    """``host:port`` where the gateway finds this hub; known once it listens."""
    recorder: str = ""
    """The unix socket where the gateway's copies of requests arrive, to be compared; empty: nothing is."""
    gateway: str | None = None
    """``host:port`` of the gateway; None: as last time, at first 127.0.0.1:8080 or the next free port."""
    envoy: str | None = None
    """Path of an Envoy program to use instead of the packaged one."""
    busy_interval: float = 0.1
    """Between two looks at the world while something is under way."""
    idle_interval: float = 5.0
    trouble_interval: float = 0.5
    """After a look that failed (Envoy is away, the disk is full)."""
    proof_seconds: float = 30.0
    """How long a ready version may leave requests through the gateway unanswered before it counts as failed."""
    offline: bool = False
    cache: str = ""
    """Folder of what was fetched, which hubs of one machine may share; empty: in the home."""
    cache_size: str = ""
    """Its bound (``20GB``); empty: 20 GB, or a fifth of a smaller disk."""
    call_token: str = ""
    """How long tokens live by which instances ask other services (``24h``); empty: a day."""
    base_image: str = ""
    """What images of ours stand on, unless their resource group says otherwise; empty: the Python of this hub."""
    triton_image: str = ""
    """What Triton services run in on Docker groups that don't say otherwise; empty: NVIDIA's image."""


def settings(environment: Mapping[str, str], *, home: str | None = None, gateway: str | None = None) -> Settings:
    """The settings that an environment and the command line give; the command line wins."""
    directory = home or environment.get("MLSERVE_HOME") or str(Path.home() / ".mlserve")
    return Settings(
        home=Path(os.path.abspath(os.path.expanduser(directory))),
        gateway=gateway or environment.get("MLSERVE_GATEWAY"),
        envoy=environment.get("MLSERVE_ENVOY"),
        offline=environment.get("MLSERVE_OFFLINE", "") not in ("", "0"),
        cache=environment.get("MLSERVE_CACHE", ""),
        cache_size=environment.get("MLSERVE_CACHE_SIZE", ""),
        call_token=environment.get("MLSERVE_CALL_TOKEN", ""),
        base_image=environment.get("MLSERVE_BASE_IMAGE", ""),
        triton_image=environment.get("MLSERVE_TRITON_IMAGE", ""),
    )
