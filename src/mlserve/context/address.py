"""Find the hub: argument, environment, named context, else the local one, which is started when needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlserve.context import local_hub, named
from mlserve.errors import NotFound

HOME_FORMAT = 1
"""What home.json says of a home that this mlserve can read."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a hub listens and what it wants to hear. ``local``: it runs on this machine and can read our paths."""

    url: str
    token: str
    source: str
    local: bool = False


def home_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """``MLSERVE_HOME``, else ``~/.mlserve``."""
    given = environment.get("MLSERVE_HOME") or os.path.join("~", ".mlserve")
    return Path(os.path.abspath(os.path.expanduser(given)))


def find(
    hub: str | None = None,
    token: str | None = None,
    context: str | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    start: bool = True,
) -> Address:
    """The hub to speak to. With ``start=False`` a local hub that does not run raises HubUnreachable."""
    home = home_directory(environment)
    chosen = _named(home, hub, token, context, environment)
    if chosen:
        return chosen
    ensure = local_hub.ensure if start else local_hub.running
    record = ensure(home)
    return Address(record.url, record.token, f"{home}/hub.json", local=True)


def is_elsewhere(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether environment or current context name a hub, so that the local one isn't meant."""
    return bool(environment.get("MLSERVE_HUB") or named.current(home_directory(environment)))


def _named(
    home: Path, hub: str | None, token: str | None, context: str | None, environment: Mapping[str, str]
) -> Address | None:
    token = token or environment.get("MLSERVE_TOKEN")
    if hub:
        return _address(home, hub, token, "the hub argument")
    if context:
        return _from_context(home, context, token)
    if url := environment.get("MLSERVE_HUB"):
        return _address(home, url, token, "MLSERVE_HUB")
    if name := named.current(home):
        return _from_context(home, name, token)
    return None


def _address(home: Path, url: str, token: str | None, source: str) -> Address:
    url = url.rstrip("/") if "://" in url else f"http://{url.rstrip('/')}"
    record = local_hub.read(home)
    if record and record.url.rstrip("/") == url:
        return Address(url, token or record.token, source, local=True)
    return Address(url, token or _known_token(home, url), source)


def _known_token(home: Path, url: str) -> str:
    known = [entry.token for entry in named.read(home).values() if entry.hub == url]
    return known[0] if known else ""


def _from_context(home: Path, name: str, token: str | None) -> Address:
    known = named.read(home)
    if name not in known:
        raise NotFound(
            f'no context "{name}" (contexts: {", ".join(known) or "none"})', hint="mlserve context add makes one"
        )
    entry = known[name]
    return _address(home, entry.hub, token or entry.token, f'context "{name}"')
