"""Which engine is meant and how it is reached. Words only: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import urlsplit

from mlserve.errors import InvalidInput

SOCKET = "/var/run/docker.sock"
PORTS = {"tcp": 2375, "tls": 2376}
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of this machine: the authority that signed the engine's certificate, and what shows it who we are."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Target:
    """An engine's place: ``unix`` (``path``), ``tcp`` (``name``, ``port``) or ``ssh`` (all of them, and ``user``)."""

    scheme: str
    name: str = ""
    port: int | None = None
    user: str = ""
    path: str = SOCKET
    tls: Tls | None = None
    address: str = ""
    """The IP of the engine's machine that ports are published on, where the user named one."""

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix://{self.path}"
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}://{self.destination}{port}"

    @property
    def destination(self) -> str:
        """``user@name``, or the name alone."""
        return f"{self.user}@{self.name}" if self.user else self.name


def target(host: str, tls: Tls | None = None, address: str = "") -> Target:
    """The engine that an address with a scheme means; raises InvalidInput."""
    scheme, mark, rest = host.partition("://")
    if not mark or scheme not in ("unix", "tcp", "ssh") or not rest:
        raise InvalidInput(
            f'"{host}" is no address of a Docker engine',
            hint="write unix:///var/run/docker.sock, tcp://HOST:2376, ssh://USER@HOST, or a docker context's name",
        )
    _check_address(address)
    if scheme == "unix":
        return Target("unix", path=rest if rest.startswith("/") else f"/{rest}", address=address)
    return _away(host, scheme, tls, address)


def tls_of(options: Mapping[str, str]) -> Tls | None:
    """The TLS files that options name; raises InvalidInput where one of two that belong together is missing."""
    given = {name: options[name] for name in ("tls_ca", "tls_cert", "tls_key") if options.get(name)}
    if not given:
        return None
    if ("tls_cert" in given) != ("tls_key" in given):
        missing = "tls_key" if "tls_cert" in given else "tls_cert"
        raise InvalidInput(
            f"a client certificate needs its key: {missing} is missing",
            hint="--tls-cert and --tls-key go together",
        )
    ca, cert, key = (Path(given[name]) if name in given else None for name in ("tls_ca", "tls_cert", "tls_key"))
    return Tls(ca, cert, key)


def _away(host: str, scheme: str, tls: Tls | None, address: str) -> Target:
    try:
        parts = urlsplit(host)
        port = parts.port
    except ValueError as exc:
        raise InvalidInput(f'"{host}" is no address: {exc}', hint=f"write {scheme}://HOST:PORT") from exc
    name, user = parts.hostname or "", parts.username or ""
    if not name or parts.password or name.startswith("-") or user.startswith("-"):
        raise InvalidInput(
            f'"{scheme}://{name}" is no address of a Docker engine',
            hint="write ssh://USER@HOST; a key or an agent proves who you are, never a password in the address",
        )
    if scheme == "ssh":
        socket = parts.path if parts.path not in ("", "/") else SOCKET
        return Target("ssh", name, port, user, socket, None, address)
    if ":" in name:
        raise InvalidInput(
            f'"{host}" is an IPv6 address, and instances publish their ports on IPv4 alone',
            hint="give the engine's name or its IPv4 address, or use ssh://USER@HOST",
        )
    return Target("tcp", name, port or PORTS["tls" if tls else "tcp"], "", "", tls, address)


def _check_address(address: str) -> None:
    try:
        IPv4Address(address or LOOPBACK)
    except ValueError as exc:
        raise InvalidInput(
            f'"{address}" is no IPv4 address that ports could be published on',
            hint="--address takes an IPv4 address of the engine's machine that this hub reaches, 10.0.0.7 for example",
        ) from exc
