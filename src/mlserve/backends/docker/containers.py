"""What the engine is asked to create for an instance, hardened unless the workload says otherwise. Pure.

These are bodies of the engine's own ``POST /containers/create``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlserve.backends.docker import labels
from mlserve.backends.docker.devices import device_requests
from mlserve.backends.docker.ports import Ports, as_text
from mlserve.backends.told import told, with_ports
from mlserve.workload import Container, Workload

NOBODY = "65534:65534"
REPORT = "-"
"""Where a program reports on its start: among its output, the only way out of a read-only container."""
MOST_PIDS = 4096
SHARED_MEMORY = 2**30
ROOTS = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"]
"""What root can still do where a descriptor asks for it: prepare its files and become somebody else, as servers do."""
LOG = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
HEALTH = {"Test": ["NONE"]}
"""We ask ourselves: a health command inside would use up the container's own share of CPU."""


@dataclass(frozen=True, slots=True)
class Placing:
    """What of a container is not up to its workload."""

    hub: str
    instance: str
    address: str
    """The IP that ports are published on."""
    ports: Ports
    mounts: Sequence[Mapping[str, Any]] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    """Over all else: where its secrets are."""
    gpus: Sequence[str] = ()
    """Those it was given; empty: the engine chooses."""


def name_of(hub: str, instance: str, part: int) -> str:
    """The name of a container, for those who look with ``docker ps``."""
    return f"mlserve-{hub[:8]}-{instance}" + (f"-{part}" if part else "")


def main_container(workload: Workload, placing: Placing) -> dict[str, Any]:
    """The container that serves, and has the address of all."""
    ports = placing.ports
    environment = {**_home(workload.environment), **told(workload, placing.instance, ports.main, REPORT)}
    publish: Mapping[str, Any] = {
        f"{port}/tcp": [{"HostIp": placing.address, "HostPort": ""}]
        for port in [*ports.all, *(one.port for one in workload.containers if one.port and one.port not in ports.all)]
    }
    return {
        "Image": workload.image,
        **_command(with_ports(workload.command, ports.main, ports.named)),
        **_whoever(workload, placing, 0, workload.user),
        "Env": _listed({**environment, **placing.environment}),
        "WorkingDir": workload.workdir or "",
        "Hostname": placing.instance[:63],
        "ExposedPorts": {port: {} for port in publish},
        "HostConfig": {
            **_hardened(workload, placing, read_only=workload.read_only, user=workload.user),
            **_limits(workload),
            "PortBindings": publish,
            "Mounts": list(placing.mounts),
            "DeviceRequests": device_requests(workload.resources, placing.gpus),
            # The engine gives programs without rights the ports below 1024, if its version is not too old to.
            "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
        },
    }


def further_container(
    workload: Workload, placing: Placing, part: int, container: Container, main: str
) -> dict[str, Any]:
    """One that shares the address, the mounts and the life of ``main`` (its id)."""
    port = {"PORT": str(container.port), "LISTENING_PORT": str(container.port)} if container.port else {}
    own = {"MLSERVE_INSTANCE": placing.instance, **port}
    environment = {**_home(container.environment), **container.environment, **own, **placing.environment}
    return {
        "Image": container.image,
        **_command(with_ports(container.command, container.port or placing.ports.main, placing.ports.named)),
        **_whoever(workload, placing, part, container.user),
        "Env": _listed(environment),
        "HostConfig": {
            **_hardened(workload, placing, read_only=container.read_only, user=container.user),
            **_limits(workload),
            "NetworkMode": f"container:{main}",
            "Mounts": list(placing.mounts),
            "DeviceRequests": device_requests(workload.resources, placing.gpus),
        },
    }


def _command(command: Sequence[str]) -> dict[str, Any]:
    """The whole command: what the image would put in front of it is left out."""
    return {"Entrypoint": list(command[:1]), "Cmd": list(command[1:])} if command else {}


def _whoever(workload: Workload, placing: Placing, part: int, user: str) -> dict[str, Any]:
    told = labels.of_container(placing.hub, workload, placing.instance, part)
    return {
        "User": user or NOBODY,
        "Labels": {**told, labels.PORTS: as_text(placing.ports)},
        "Healthcheck": HEALTH,
    }


def _home(environment: Mapping[str, str]) -> dict[str, str]:
    """A home that can be written to: many libraries keep something there."""
    return {} if "HOME" in environment else {"HOME": "/tmp"}  # noqa: S108 - the container's own


def _hardened(workload: Workload, placing: Placing, *, read_only: bool, user: str) -> dict[str, Any]:
    memory = workload.resources.memory_mb
    size = f",size={memory}m" if memory else ""
    mounted = {mount["Target"] for mount in placing.mounts}
    # Not "noexec": libraries unpack shared objects there, and whoever can run Python needs no program in /tmp.
    temporary = {"/tmp": f"rw,exec,nosuid,nodev,mode=1777{size}"}  # noqa: S108 - the container's own
    return {
        "ReadonlyRootfs": read_only,
        "Tmpfs": {path: options for path, options in temporary.items() if path not in mounted},
        "CapDrop": ["ALL"],
        "CapAdd": ROOTS if user.startswith("0:") else [],
        "SecurityOpt": ["no-new-privileges"],
        "PidsLimit": MOST_PIDS,
        "Init": True,
        "LogConfig": LOG,
        "ShmSize": SHARED_MEMORY,
        # We start it again ourselves: who else would know when to give up, and why it ended?
        "RestartPolicy": {"Name": "no"},
    }


def _limits(workload: Workload) -> dict[str, Any]:
    size = workload.resources.memory_mb * 2**20
    limits: dict[str, Any] = {"NanoCpus": round(workload.resources.cpu * 1e9)}
    return {**limits, "Memory": size, "MemorySwap": size} if size else limits


def _listed(environment: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in environment.items()]
