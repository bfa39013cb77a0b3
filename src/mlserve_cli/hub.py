"""What ``mlserve hub`` does: start, stop, status, logs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlserve.client import Client
from mlserve.context import find, home_directory, is_elsewhere, local_hub
from mlserve.errors import Conflict, NotFound, TimedOut
from mlserve.management import Management
from mlserve_cli import report

_STOP_SECONDS = 120.0


def start(gateway: str | None, options: Sequence[str] = ()) -> Mapping[str, Any]:
    """The hub of this machine, running, with these options of who may reach it; its status."""
    home = home_directory()
    before = local_hub.read(home)
    if options and before and local_hub.answers(before):
        raise Conflict("the hub runs already", hint="mlserve hub stop ends it, its services go on; then start it anew")
    record = local_hub.ensure(home, gateway=gateway, options=options)
    if gateway and not _same(record.gateway, gateway):
        raise Conflict(
            f"the hub runs with its gateway on {record.gateway}, not {gateway}",
            hint="mlserve hub stop --all ends it, then start it anew",
        )
    return status()


def status() -> Mapping[str, Any]:
    """The hub's own account; raises HubUnreachable where none runs."""
    return _running().hub.status()


def stop(all: bool) -> bool:
    """End the hub; False where none ran. With ``all`` one is started to end what was left running."""
    home = home_directory()
    if is_elsewhere():
        _stop(_running(), all)
        return True
    record = local_hub.read(home)
    if record is None or not local_hub.answers(record):
        if not (all and (home / "hub.db").exists()):
            return False
        record = local_hub.ensure(home)
    _stop(_running(), all)
    if not local_hub.wait_gone(record.pid, _STOP_SECONDS):
        raise TimedOut(f"the hub (pid {record.pid}) is still stopping", hint="mlserve hub logs shows what it waits for")
    return True


def _stop(client: Client, all: bool) -> None:
    away = [one["name"] for one in client.resources.list() if one["status"] == "unavailable"] if all else []
    client.hub.stop(all=all)
    for group in away:
        report.note(f'the resource group "{group}" is away: what runs there goes on until the next hub reaches it')


def log_lines(*, tail: int | None, follow: bool) -> Iterator[str]:
    """Lines of the hub's log."""
    path = home_directory() / "hub.log"
    if not path.exists():
        raise NotFound(f"no hub has written {path}", hint="mlserve hub start starts one")
    return _lines(path, tail, follow)


def _lines(path: Path, tail: int | None, follow: bool) -> Iterator[str]:
    with path.open(errors="replace") as file:
        lines = file.read().splitlines()
        yield from lines if tail is None else lines[len(lines) - min(tail, len(lines)) :]
        while follow:
            line = file.readline()
            if line:
                yield line.rstrip("\n")
            else:
                time.sleep(0.2)


def _running() -> Client:
    return Client(Management(lambda: find(start=False)))


def _same(one: str, other: str) -> bool:
    return one.rpartition("://")[2].rstrip("/") == other.rpartition("://")[2].rstrip("/")
