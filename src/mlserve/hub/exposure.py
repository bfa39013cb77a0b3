"""Where a hub may be reached from, and with which certificate: as it was told, else as it was told before."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from ipaddress import ip_address
from pathlib import Path

from mlserve.errors import InvalidInput
from mlserve.hub.home import Home

_FILE = "exposure.json"


@dataclass(frozen=True, slots=True)
class Exposure:
    """``listen``: ``HOST:PORT`` beside the loopback address that clients of this machine use; "": nowhere else."""

    listen: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    insecure: bool = False
    """It may be reached from elsewhere without TLS: whoever listens in reads tokens."""


UNTOLD = Exposure()
"""A hub that was told nothing does as before."""


def exposure(home: Home, told: Exposure) -> Exposure:
    """What this hub is to do; raises InvalidInput before anything is changed."""
    if told == UNTOLD:
        return Exposure(**home.read(_FILE))
    chosen = Exposure(told.listen, _whole(told.tls_cert), _whole(told.tls_key), told.insecure)
    if bool(chosen.tls_cert) != bool(chosen.tls_key):
        raise InvalidInput("a certificate needs its key, and a key its certificate", hint="--tls-cert and --tls-key")
    if chosen.listen and not (is_loopback(chosen.listen) or chosen.tls_cert or chosen.insecure):
        raise InvalidInput(
            f"on {chosen.listen} the hub would take its token from other machines without TLS",
            hint="give --tls-cert and --tls-key; or --insecure, where a proxy or a network of your own protects it",
        )
    return chosen


def keep(home: Home, chosen: Exposure) -> None:
    """Remember it, once the hub could do it."""
    home.write_private(_FILE, asdict(chosen))


def is_loopback(address: str) -> bool:
    """Whether ``HOST:PORT`` is for programs of this machine alone."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _whole(path: str) -> str:
    return str(Path(path).expanduser().absolute()) if path else ""
