"""The hub of this machine: read where it is, start it under a lock when it is not there, wait for its end."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlserve.errors import HubStartFailed, HubUnreachable
from mlserve.transport import Transport

START_SECONDS = 60.0
_LOG_BYTES = 10_000_000
"""A log that is longer makes room for a new one when the next hub starts."""
_ROOM = 1 << 20
"""Bytes of disk without which no hub is started."""


@dataclass(frozen=True, slots=True)
class Record:
    """What hub.json says."""

    url: str
    token: str
    pid: int
    gateway: str = ""


def read(home: Path) -> Record | None:
    """What the newest hub wrote down, which may have ended since."""
    try:
        data = json.loads((home / "hub.json").read_text())
        return Record(str(data["url"]), str(data["token"]), int(data["pid"]), str(data.get("gateway") or ""))
    except PermissionError as exc:
        raise HubUnreachable(
            f"{home}/hub.json can't be read: {exc.strerror}",
            hint="the home belongs to another user; set MLSERVE_HOME to a directory of your own",
        ) from exc
    except (OSError, ValueError, KeyError, TypeError):
        return None


def running(home: Path) -> Record:
    """The hub that runs; raises HubUnreachable where none does."""
    record = read(home)
    if record and answers(record):
        return record
    raise HubUnreachable(f"no hub runs for {home}", hint="mlserve hub start starts one")


def ensure(home: Path, *, gateway: str | None = None, options: Sequence[str] = ()) -> Record:
    """The hub that runs, started when there is none, with these ``options``; many callers start exactly one."""
    record = read(home)
    if record and answers(record):
        return record
    _make_home(home)
    with _start_lock(home):
        _wait_for_previous(home)
        record = read(home)
        if record and answers(record):
            return record
        return _start(home, [*(["--gateway", gateway] if gateway else []), *options])


def answers(record: Record) -> bool:
    """Whether the process lives and the hub behind the address says so."""
    if not alive(record.pid):
        return False
    transport = Transport(record.url, timeout=5.0)
    try:
        return transport.exchange("GET", "/healthz").status == 200
    except OSError:
        return False
    finally:
        transport.close()


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits for its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (OSError, IndexError):
        return not Path("/proc/self/stat").exists()


def wait_gone(pid: int, seconds: float) -> bool:
    """Wait until a process has ended; False where it still runs by then."""
    return _until(lambda: not alive(pid), seconds)


def _start(home: Path, options: Sequence[str]) -> Record:
    log = home / "hub.log"
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(home / "hub.log.1")  # a hub writes a line an event: between two starts this is enough
    begin = log.stat().st_size if log.exists() else 0
    child = _spawn(home, log, options)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        record = read(home)
        if record and record.pid == child.pid and answers(record):
            return record
        if child.poll() is not None:
            raise _start_failure(log, begin, f"it ended with status {child.returncode}")
        time.sleep(0.02)
    child.terminate()
    raise _start_failure(log, begin, f"it did not answer within {START_SECONDS:.0f} s")


def _spawn(home: Path, log: Path, options: Sequence[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "mlserve.hub", "--home", str(home), *options]
    try:
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=home,
                env={**os.environ, **_absolute_python_path()},
            )
    except OSError as exc:
        raise _home_failure(home, exc) from exc
    # Somebody has to collect its exit status, or it would stay behind as a zombie of a long-lived caller.
    threading.Thread(target=child.wait, daemon=True).start()
    return child


def _absolute_python_path() -> dict[str, str]:
    paths = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, paths.split(os.pathsep)))} if paths else {}


def _start_failure(log: Path, begin: int, what: str) -> HubStartFailed:
    with log.open("rb") as file:
        file.seek(begin)
        lines = file.read().decode(errors="replace").splitlines()
    for line in reversed(lines):
        if error := _structured(line):
            return HubStartFailed(
                str(error.get("message", what)), hint=str(error.get("hint", "")), details=error.get("details", [])
            )
    return HubStartFailed(
        f"the hub could not be started: {what}",
        hint=f"{log} has its log",
        details=[{"code": "hub-log", "message": f"the last lines of {log}", "log": lines[-40:]}],
    )


def _structured(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        error = json.loads(line).get("error")
    except ValueError:
        return None
    return error if isinstance(error, dict) else None


def _make_home(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if home.stat().st_mode & 0o077:
            home.chmod(0o700)
        # A hub on a full disk could not even log why it ends.
        if shutil.disk_usage(home).free < _ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as exc:
        raise _home_failure(home, exc) from exc


def _home_failure(home: Path, exc: OSError) -> HubStartFailed:
    return HubStartFailed(
        f"the hub's home {home} can't be used: {exc.strerror or exc}",
        hint="give this user the directory, free some disk, or set MLSERVE_HOME to another one",
    )


@contextmanager
def _start_lock(home: Path) -> Iterator[None]:
    try:
        descriptor = os.open(home / "start.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        raise _home_failure(home, exc) from exc
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _wait_for_previous(home: Path) -> None:
    # A hub on its way out, or one that somebody else starts right now, holds hub.lock.
    lock = home / "hub.lock"
    if not lock.exists():
        return
    descriptor = os.open(lock, os.O_RDWR)
    try:
        _until(lambda: _free(descriptor) or _answers_now(home), 10.0)
    finally:
        os.close(descriptor)


def _answers_now(home: Path) -> bool:
    record = read(home)
    return record is not None and answers(record)


def _free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
