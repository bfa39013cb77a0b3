"""A program that a container's own bounds have ended, told from what it wrote: which field loosens them. Pure."""

from __future__ import annotations

import re

_READ_ONLY = re.compile(r"read-only file system|\bEROFS\b", re.IGNORECASE)
_DENIED = re.compile(r"permission denied|operation not permitted|\bEACCES\b|\bEPERM\b", re.IGNORECASE)


def bound(log: str, *, own_image: bool) -> tuple[str, str] | None:
    """What happened and what to do next; ``own_image``: the descriptor has containers, and so these fields."""
    if line := _line(_READ_ONLY, log):
        where = "only /tmp and what is mounted can be written to"
        field = ', or set "read_only": false in containers for an image that has to write elsewhere'
        hint = f"{where}: write there{field if own_image else ''}"
        return f"the program wrote where nothing can be written: {line}", hint
    if line := _line(_DENIED, log):
        who = "its processes are a user without any rights (65534)"
        field = 'say in containers who they are ("user": "1000" or "root")' if own_image else "keep to /tmp and mounts"
        return f"the program was denied something: {line}", f"{who}: let its files be readable for all, or {field}"
    return None


def _line(pattern: re.Pattern[str], log: str) -> str:
    """The last line that says so."""
    return next((line.strip()[:200] for line in reversed(log.splitlines()) if pattern.search(line)), "")
