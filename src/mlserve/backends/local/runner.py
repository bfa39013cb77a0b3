"""Start processes of this machine, each with its port and its share of memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlserve.backends import gpus
from mlserve.backends.base import Gpu, Workload
from mlserve.backends.local import cgroups, listening, process, secrets
from mlserve.backends.local.launch import LogLimits, specification
from mlserve.backends.local.ports import free_port
from mlserve.backends.local.run import Run
from mlserve.backends.records import Record
from mlserve.backends.run import Listener


class Processes:
    """All runs of one home."""

    reachable = True

    def __init__(self, home: Path, limits: LogLimits) -> None:
        self._place = cgroups.find_place(home)
        self._limits = limits
        self._runs: dict[str, Run] = {}
        self.gpus: tuple[Gpu, ...] = ()
        """Those of this machine, as last seen."""

    def fit(self, record: Record, workload: Workload, others: Sequence[Record]) -> Record:
        """With free ports, its GPUs, and a cgroup where this user may make one."""
        devices = gpus.pick(workload.resources, self.gpus, gpus.taken(others))
        taken = {other.port for other in others}
        taken |= {int(address.rpartition(":")[2]) for other in others for address in other.ports.values()}
        found: list[int] = []
        for _ in ("", *workload.ports):
            found.append(free_port(taken | set(found)))
        ports = {name: f"127.0.0.1:{port}" for name, port in zip(workload.ports, found[1:], strict=True)}
        cgroup = None
        if self._place and workload.resources.memory_mb:
            cgroup = self._place.make(record.id, workload.resources.memory_mb)
        return replace(record, port=found[0], ports=ports, cgroup=cgroup, gpus=devices)

    def begin(self, record: Record, workload: Workload, directory: Path, listener: Listener) -> Run:
        """Start the shim, which starts the program; raises OSError where the machine doesn't let us."""
        run = self._runs[record.id] = Run(directory, self._limits, self.who_listens)
        secrets.write(directory, workload.secrets)
        run.begin(specification(workload, record, directory, self._limits))
        run.watch(record, listener)
        return run

    def adopt(self, record: Record, directory: Path, listener: Listener) -> Run:
        """Find the processes that an earlier hub started."""
        run = self._runs[record.id] = Run(directory, self._limits, self.who_listens)
        run.adopt()
        run.watch(record, listener)
        return run

    def give_back(self, record: Record) -> None:
        """Remove its cgroup and its secrets."""
        run = self._runs.pop(record.id, None)
        if run:
            secrets.remove(run.directory)
        if record.cgroup:
            group = Path(record.cgroup["path"])
            cgroups.Place(group.parent, record.cgroup["version"]).give_back(group)

    def forget(self, record: Record) -> None:
        """Nothing is there once its run is over."""

    def clear(self, directory: Path) -> None:
        """End what runs behind a directory whose note nobody can read any more."""
        run = Run(directory, self._limits, self.who_listens)
        run.adopt()
        run.kill()

    def who_listens(self, port: int) -> str:
        """In words, who listens on a port of this machine; empty when nobody is seen."""
        pid = listening.owner_of(port)
        if pid is None:
            return ""
        mine = (instance for instance, run in self._runs.items() if pid in run.family())
        owner = next(mine, None)
        return f"instance {owner}" if owner else f"process {pid} ({process.command(pid)})"
