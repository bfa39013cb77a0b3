"""Where a hub and its gateway listen, and by which addresses they are reached."""

from __future__ import annotations

import socket

from mlserve.errors import HubStartFailed
from mlserve.hub.certificates import Certificates
from mlserve.hub.settings import Settings


def gateway_address(settings: Settings) -> str | None:
    """Where the gateway is to listen; port 0 means any free one, which the gateway then keeps."""
    host, _, port = (settings.gateway or "").rpartition(":")
    if port != "0":
        return settings.gateway
    if (settings.home / "gateway" / "listen").exists():
        return None
    with socket.create_server((host, 0)) as free:
        return f"{host}:{free.getsockname()[1]}"


def endpoint_of(address: str, certificates: Certificates | None) -> str:
    """How callers reach the gateway: by a name of its certificate where it listens on all addresses."""
    host, _, port = address.rpartition(":")
    if certificates is None:
        return f"http://{address}"
    everywhere = host in ("0.0.0.0", "[::]")  # noqa: S104 - read, not bound
    return f"https://{(everywhere and certificates.name()) or host}:{port}"


def listen(address: str) -> socket.socket:
    """A socket at ``HOST:PORT``, port 0 being any free one; raises HubStartFailed."""
    host, _, port = address.rpartition(":")
    try:
        return socket.create_server((host, int(port or 0)), backlog=128)
    except (OSError, ValueError) as exc:
        raise HubStartFailed(
            f"the hub can't listen on {address}: {exc}",
            hint="choose another address with --listen, or end what has the port",
        ) from exc


def reached(listener: socket.socket) -> str:
    """By which address this machine reaches a socket that may listen on all of them."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def open_at(listener: socket.socket | None, certificates: Certificates | None) -> str | None:
    """Where others reach the hub."""
    if listener is None:
        return None
    host, port = listener.getsockname()[:2]
    return f"{'https' if certificates else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
