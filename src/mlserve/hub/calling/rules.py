"""What becomes of the names in a descriptor's ``calls``, and where instances reach the gateway. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from mlserve.descriptor import Descriptor
from mlserve.descriptor.units import duration
from mlserve.errors import Detail, InvalidDescriptor, InvalidInput
from mlserve.hub.tokens import covers

UNKNOWN = "unknown-service"
LIVES = 86_400.0
"""Seconds that a token lives unless the hub was told otherwise; for half of them the hub may be away."""
_SHORTEST = 10.0


def lifetime(told: str) -> float:
    """Seconds that a token of an instance lives; raises InvalidInput for what is no such time."""
    try:
        seconds = float(duration(told)) if told else LIVES
    except ValueError:
        seconds = 0.0
    if seconds < _SHORTEST:
        raise InvalidInput(
            f'MLSERVE_CALL_TOKEN is "{told}": how long the tokens live by which services ask one another',
            hint=f"24h, say, and {_SHORTEST:g} seconds at least: they are renewed after half of it",
        )
    return seconds


def unknown(calls: Sequence[str], names: Collection[str]) -> list[str]:
    """Those that no service or group of these names answers to; they may come later."""
    return [call for call in calls if not any(covers((call,), name) for name in names)]


def warnings(calls: Sequence[str], names: Collection[str]) -> list[Detail]:
    """One for each name that nobody has."""
    missing, found = unknown(calls, names), []
    for number, call in enumerate(calls):
        if call in missing:
            who = f'no service begins with "{call[:-1]}"' if call.endswith("*") else f'there is no service "{call}"'
            message = f"{who} yet: until it is there, calls of it are answered with 404"
            found.append({"pointer": f"/calls/{number}", "code": UNKNOWN, "message": message})
    return found


def reached(gateway: str, *, contained: bool, options: Mapping[str, str]) -> str:
    """The gateway's address as instances know it; empty where they can't reach it.

    ``contained``: they run in containers, whose loopback is their own. ``options``: of their resource group.
    """
    if not contained:
        return gateway.replace("//0.0.0.0:", "//127.0.0.1:")
    if told := options.get("gateway"):
        return told.rstrip("/")
    return "" if _stays_here(urlsplit(gateway).hostname or "") else gateway


def require_reached(descriptor: Descriptor, gateway: str, group: str) -> None:
    """Raises InvalidDescriptor where a service wants to ask others and its instances can't reach the gateway."""
    if not descriptor.calls or gateway:
        return
    message = f'calls: the containers of the resource group "{group}" can\'t reach the gateway, which listens elsewhere'
    raise InvalidDescriptor(
        message + " than where they run: on the hub's own loopback, or on all of its addresses without a name",
        hint=f"add the group with the address by which they do: mlserve resource add {group} … "
        "--option gateway=http://HOST:PORT (mlserve hub start --gateway HOST:PORT listens there)",
        details=[{"pointer": "/calls", "code": "unsupported", "message": message}],
    )


def _stays_here(host: str) -> bool:
    """Whether an address means something else, or nothing, to whoever runs elsewhere."""
    try:
        address = ip_address(host)
    except ValueError:
        return host in ("", "localhost")
    return address.is_loopback or address.is_unspecified
