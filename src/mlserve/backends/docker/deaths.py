"""How the containers of an instance ended, as evidence. Pure."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

Inspected = Mapping[str, Any]

_SIGNALS = {number.value for number in signal.Signals}


def runs(container: Inspected | None) -> bool:
    """Whether an inspected container runs; None is one that is gone."""
    return container is not None and bool(container["State"].get("Running"))


def evidence_of(containers: Sequence[Inspected | None], limit_mb: int) -> dict[str, Any]:
    """The end of the first one that ended: it took the others along."""
    gone = [part for part, container in enumerate(containers) if container is None]
    ended = [(part, container) for part, container in enumerate(containers) if container and not runs(container)]
    if not ended:
        return {"removed": True, **_which(gone[0], None)} if gone else {}
    part, first = min(ended, key=lambda one: (one[1]["State"].get("FinishedAt", ""), one[0]))
    state = first["State"]
    found: dict[str, Any] = {**_at(state), **_which(part, first)}
    if state.get("Status") == "created":
        return found
    found["exit"] = ending(int(state.get("ExitCode", 0)))
    if any(container["State"].get("OOMKilled") for _, container in ended):
        # What it held at most is the limit: the engine tells no more of one that has ended.
        found |= {"oom": True, "memory": {"limit_mb": limit_mb or None, "peak_mb": limit_mb or None}}
    return found


def ending(code: int) -> dict[str, int]:
    """An exit code as status or signal; 128 and a signal's number is how a container says that it was killed."""
    number = code - 128
    return {"signal": number} if number in _SIGNALS else {"status": code}


def moment(text: str) -> float:
    """A time as the engine writes it, in seconds since the epoch; 0 where it says that there was none."""
    return 0.0 if text.startswith("0001-") or not text else datetime.fromisoformat(text).timestamp()


def _at(state: Mapping[str, Any]) -> dict[str, float]:
    at = moment(state.get("FinishedAt", ""))
    return {"at": at} if at else {}


def _which(part: int, container: Inspected | None) -> dict[str, Any]:
    if part == 0:
        return {}
    image = str((container or {}).get("Config", {}).get("Image", ""))
    image = image[:19] if image.startswith("sha256:") else image  # as long as docker itself shows of an id
    return {"container": f"container {part + 1}" + (f" ({image})" if image else "")}
