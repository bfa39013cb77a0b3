"""Named hub addresses, kept in contexts.json of the home (mode 0600)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlserve.errors import InvalidInput, MlserveError, NotFound
from mlserve.transport import Transport


@dataclass(frozen=True, slots=True)
class Context:
    """A hub's address and token under a name."""

    hub: str
    token: str = ""


def context(hub: str, token: str = "") -> Context:
    """A context of an address as people write it. Raises InvalidInput."""
    url = (hub if "://" in hub else f"http://{hub}").rstrip("/")
    try:
        Transport(url)
    except ValueError as exc:
        raise InvalidInput(str(exc), hint="write it as https://HOST:PORT") from exc
    return Context(url, token)


def read(home: Path) -> Mapping[str, Context]:
    """All contexts by name."""
    return {name: Context(**entry) for name, entry in _load(home).get("contexts", {}).items()}


def current(home: Path) -> str | None:
    """The name of the one in use; None: the local hub."""
    name = _load(home).get("current")
    return str(name) if name else None


def add(home: Path, name: str, context: Context, *, use: bool = False) -> None:
    """Keep a context, in place of one of the same name."""
    if name == "local" or not name:
        raise InvalidInput(f'a context can\'t be called "{name}"', hint='"local" always means the hub of this machine')
    data = _load(home)
    data.setdefault("contexts", {})[name] = asdict(context)
    _save(home, {**data, "current": name} if use else data)


def use(home: Path, name: str) -> None:
    """Make a context the current one; ``local`` goes back to the local hub."""
    data = _load(home)
    if name != "local" and name not in data.get("contexts", {}):
        raise _unknown(name, data)
    _save(home, {**data, "current": None if name == "local" else name})


def remove(home: Path, name: str) -> None:
    """Forget a context; where it was current, the local hub is meant again."""
    data = _load(home)
    if data.get("contexts", {}).pop(name, None) is None:
        raise _unknown(name, data)
    _save(home, {**data, "current": None} if data.get("current") == name else data)


def _unknown(name: str, data: dict[str, Any]) -> NotFound:
    known = ", ".join(["local", *data.get("contexts", {})])
    return NotFound(f'no context "{name}" (contexts: {known})', hint="mlserve context add NAME HUB keeps one")


def _load(home: Path) -> dict[str, Any]:
    path = home / "contexts.json"
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise MlserveError(f"{path} can't be read: {exc}", hint="correct or remove it") from exc
    return data if isinstance(data, dict) else {}


def _save(home: Path, data: dict[str, Any]) -> None:
    path = home / "contexts.json"
    temporary = path.with_name(f".contexts.{os.getpid()}")
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(data, file, indent=1)
        temporary.replace(path)
    except OSError as exc:
        raise MlserveError(f"{path} can't be written: {exc.strerror}", hint="check permissions and disk space") from exc
