"""Memory cgroups of this home's instances, version 1 or 2, where this user may make them."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """A directory of the cgroup tree under which groups with a memory limit can be made."""

    path: Path
    version: int

    def make(self, name: str, limit_mb: int) -> dict[str, Any] | None:
        """A group of this name held to ``limit_mb``; None where that can't be done after all."""
        group = self.path / name
        try:
            self._open()
            group.mkdir(exist_ok=True)
            self._limit(group, limit_mb * 2**20)
        except OSError:
            remove(group)
            return None
        return {"path": str(group), "version": self.version}

    def give_back(self, group: Path) -> None:
        """Remove a group that nothing runs in, and with the last one the place itself."""
        remove(group)
        remove(self.path)

    def _open(self) -> None:
        self.path.mkdir(exist_ok=True)
        if self.version == 2:
            _enable(self.path.parent)
            _enable(self.path)

    def _limit(self, group: Path, size: int) -> None:
        if self.version == 2:
            (group / "memory.max").write_text(str(size))
            _write_if_there(group / "memory.oom.group", 1)
            _write_if_there(group / "memory.swap.max", 0)
        else:
            (group / "memory.limit_in_bytes").write_text(str(size))
            _write_if_there(group / "memory.memsw.limit_in_bytes", size)


def find_place(home: Path, root: Path = Path("/sys/fs/cgroup")) -> Place | None:
    """A subtree of this home's own, below the cgroup we are in or, as version 2 demands, beside it."""
    name = "mlserve-" + hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:12]
    for parent, version in _parents(root):
        place = Place(parent / name, version)
        probe = place.make("probe", 1024)
        place.give_back(place.path / "probe")
        if probe:
            return place
    return None


def remove(group: Path) -> None:
    """Remove a group that nothing runs in."""
    with contextlib.suppress(OSError):
        group.rmdir()


def _parents(root: Path) -> Iterator[tuple[Path, int]]:
    own = dict(_memberships())
    if "memory" in own:
        yield _inside(root / "memory", own["memory"]), 1
    elif "" in own and (root / "cgroup.controllers").exists():
        here = _inside(root, own[""])
        yield here, 2
        if here != root:
            yield here.parent, 2


def _memberships() -> Iterator[tuple[str, str]]:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in controllers.split(","):
                yield controller, path


def _inside(root: Path, path: str) -> Path:
    full = root / path.lstrip("/")
    return full if full.is_dir() else root  # a container sees its own part of the tree only


def _enable(directory: Path) -> None:
    control = directory / "cgroup.subtree_control"
    if "memory" not in control.read_text().split():
        control.write_text("+memory")


def _write_if_there(path: Path, value: int) -> None:
    if path.exists() and os.access(path, os.W_OK):
        path.write_text(str(value))
