"""Choose the gateway's address once, and say who has a port that is taken."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from mlserve.errors import GatewayFailed

_FIRST, _LAST = 8080, 8480
_HOST = "127.0.0.1"


def choose_port(directory: Path) -> str:
    """The address kept from earlier starts, else 127.0.0.1:8080, else the next free port. Nothing is written yet."""
    kept = directory / "listen"
    with contextlib.suppress(FileNotFoundError):
        if address := kept.read_text().strip():
            return address
    for port in range(_FIRST, _LAST):
        if is_free(_HOST, port):
            return f"{_HOST}:{port}"
    raise GatewayFailed(
        f"no port between {_FIRST} and {_LAST - 1} is free for the gateway",
        hint="name one: mlserve hub start --gateway HOST:PORT",
    )


def any_port(address: str) -> str:
    """``HOST:0`` with a port that is free now in place of the 0."""
    host, _, port = address.rpartition(":")
    if port != "0":
        return address
    bare = host.strip("[]")
    with socket.socket(socket.AF_INET6 if ":" in bare else socket.AF_INET) as probe:
        probe.bind((bare, 0))
        return f"{host}:{probe.getsockname()[1]}"


def split(address: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``; an IPv6 host stands in brackets."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise GatewayFailed(f"{address!r} is not an address for the gateway", hint="HOST:PORT, e.g. 127.0.0.1:8080")
    return host.strip("[]").replace("localhost", _HOST), int(port)


def is_free(host: str, port: int) -> bool:
    """Whether somebody could listen there now."""
    try:
        _listen_once(host, port)
    except OSError:
        return False
    return True


def check_free(host: str, port: int) -> None:
    """Raise GatewayFailed, naming the process that has the port as far as it can be seen."""
    try:
        _listen_once(host, port)
    except OSError as exc:
        raise GatewayFailed(
            f"the gateway can't listen on {host}:{port}: {exc.strerror}{_holder(port)}",
            hint="stop that program, or choose another address: mlserve hub start --gateway HOST:PORT",
        ) from exc


def _listen_once(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        probe.listen(1)


def _holder(port: int) -> str:
    import psutil

    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                return _named(connection.pid)
    return ""


def _named(pid: int | None) -> str:
    import psutil

    if pid is None:
        return " (by a process of another user)"
    with contextlib.suppress(psutil.Error):
        command = " ".join(psutil.Process(pid).cmdline())
        return f" (by process {pid}: {command[:120]})"
    return f" (by process {pid})"
