"""What each step of one call took, for those who ask with their request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HEADER = b"x-mlserve-timing"
YES = (b"1", b"true")
PARAMETER = "timing"


class Timed(dict[str, Any]):
    """Outputs that know the seconds of each step. Requests that shared a call get plain outputs."""

    __slots__ = ("seconds",)

    def __init__(self, outputs: Mapping[str, Any], seconds: Mapping[str, float]) -> None:
        super().__init__(outputs)
        self.seconds = seconds


def header_line(outputs: Mapping[str, Any]) -> bytes:
    """``server-timing``, milliseconds by step; nothing where there are no steps."""
    seconds = getattr(outputs, "seconds", None)
    if not seconds:
        return b""
    shown = ", ".join(f"{name};dur={taken * 1000:.3f}" for name, taken in seconds.items())
    return b"server-timing: %s\r\n" % shown.encode("latin-1")


def parameters(outputs: Mapping[str, Any]) -> dict[str, float]:
    """Milliseconds by step, as response parameters of the V2 protocol: ``timing.NAME``."""
    seconds: Mapping[str, float] = getattr(outputs, "seconds", {})
    return {f"{PARAMETER}.{name}": round(taken * 1000, 3) for name, taken in seconds.items()}
