"""What is noted about each instance, one JSON file in the instance's directory."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlserve.backends.base import Resources, State

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Record:
    """One instance: how it was started, and what has become of it so far. Times: seconds since the epoch."""

    id: str
    service: str
    version: int
    revision: str
    state: State = State.STARTING
    resources: Resources = field(default_factory=Resources)
    port: int = 0
    declared_port: int | None = None
    health_path: str | None = None
    drain_seconds: float = 30.0
    startup_seconds: float = 600.0
    cgroup: Mapping[str, Any] | None = None
    gpus: tuple[str, ...] = ()
    """The GPUs it was given, by UUID."""
    address: str = ""
    ports: Mapping[str, str] = field(default_factory=dict)
    """Name of a further port → ``host:port``."""
    reason: str = ""
    restarts: int = 0
    started_at: float = 0.0
    ready_at: float | None = None
    draining_since: float | None = None
    stopping_since: float | None = None
    ended_at: float | None = None
    deaths: int = 0
    """In a row, without having stayed ready in between."""
    was_ready: bool = False
    """Ready at least once, in this or an earlier run."""
    retry_at: float | None = None
    final: bool = False
    killed_for: Mapping[str, Any] = field(default_factory=dict)
    """Why we killed it, as evidence."""
    forgotten: bool = False
    """Its service was removed: nothing of it is kept once it has ended."""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        """Whether something runs behind it."""
        return self.state in (State.STARTING, State.READY, State.DRAINING)


def new_id(service: str, version: int) -> str:
    """A name for a new instance: ``iris-1-a3f9``."""
    return f"{service}-{version}-{secrets.token_hex(2)}"


class Records:
    """The instance directories of one home: ``<root>/<service>/<instance>/instance.json``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def directory(self, record: Record) -> Path:
        """Where everything of one instance lies."""
        return self.root / record.service / record.id

    def create(self, record: Record) -> None:
        """Make the directory of a new instance and note it."""
        self.directory(record).mkdir(mode=0o700, parents=True)
        self.write(record)

    def write(self, record: Record) -> None:
        """Note the newest of an instance, whole or not at all."""
        directory = self.directory(record)
        beside = directory / "instance.json.new"
        beside.write_text(json.dumps({"format": FORMAT, **asdict(record)}))
        os.replace(beside, directory / "instance.json")

    def load(self) -> Iterator[Record]:
        """Every instance that was noted, ended ones too."""
        for path in self._directories():
            record = _read(path)
            if record:
                yield record

    def damaged(self) -> list[Path]:
        """Directories without a note that can be read."""
        return [path for path in self._directories() if _read(path) is None]

    def clear(self, directory: Path) -> None:
        """Remove a directory, and its service's with the last one."""
        shutil.rmtree(directory, ignore_errors=True)
        with contextlib.suppress(OSError):  # others are still in it
            directory.parent.rmdir()

    def delete(self, record: Record) -> None:
        """Remove all that is kept of an instance, and its service's directory with the last one."""
        self.clear(self.directory(record))

    def _directories(self) -> list[Path]:
        return sorted(path for path in self.root.glob("*/*/") if path.is_dir())


def _read(directory: Path) -> Record | None:
    try:
        return _record(json.loads((directory / "instance.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _record(data: dict[str, Any]) -> Record:
    known = {name: value for name, value in data.items() if name in Record.__dataclass_fields__}
    told = {"state": State(data["state"]), "resources": Resources(**data["resources"])}
    return Record(**{**known, **told, "gpus": tuple(data.get("gpus", ()))})
