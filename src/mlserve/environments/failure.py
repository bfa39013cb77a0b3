"""What uv's complaints mean, in our words. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlserve.errors import EnvironmentFailed

_NETWORK = re.compile(
    r"error sending request|dns error|failed to lookup address|tcp connect error|connection refused|"
    r"network is unreachable|network connectivity is disabled|could not connect|operation timed out|"
    r"request failed after \d+ retries",
    re.IGNORECASE,
)
_DISK = re.compile(r"no space left on device|os error 28|disk quota exceeded", re.IGNORECASE)
_UNKNOWN = re.compile(r"Because (\S+) was not found in the (?:package registry|cache|provided package locations)")
_NO_VERSION = re.compile(r"there (?:is|are) no versions? of (\S+)")
_NO_WHEEL = re.compile(r"Failed to (?:build|download and build|download|fetch):? [`'\"]?([^`'\"\s]+)")
_PACKAGE = re.compile(r"(?:Because|you require|and) ([A-Za-z0-9][\w.-]*(?:[<>=!~]=?\S+)?)")


def is_network(text: str) -> bool:
    """Whether uv failed because it could not reach an index."""
    return bool(_NETWORK.search(text))


def failed(text: str, requirements: Sequence[str], place: str, *, offline: bool) -> EnvironmentFailed:
    """The error for a build that ended with this on uv's stderr."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    details = [{"code": "uv", "message": line} for line in lines[-40:]]
    message, hint = _words(text, lines, requirements, place, offline=offline)
    return EnvironmentFailed(message, hint=hint, details=details)


def _words(
    text: str, lines: Sequence[str], requirements: Sequence[str], place: str, *, offline: bool
) -> tuple[str, str]:
    if _DISK.search(text):
        return (
            f"the environment can't be built: no space left on the disk of {place}",
            "free some space, then try again",
        )
    if offline or is_network(text):
        return (
            f"the environment can't be built without the network: {_culprit(text, requirements)} is not in the cache",
            "connect this machine to a package index, or set UV_DEFAULT_INDEX or UV_FIND_LINKS to one it reaches",
        )
    if found := _UNKNOWN.search(text):
        name = found.group(1)
        return f'no package "{name}" in the index', f'correct the name "{name}" in the requirements'
    if found := _NO_WHEEL.search(text):
        name = found.group(1)
        return (
            f"the package {name} could not be built or downloaded here",
            f"choose a version of {name} that has a wheel for this Python and machine",
        )
    if "No solution found" in text or _NO_VERSION.search(text):
        return (
            f"the requirements can't be met together: {_because(lines)}",
            "change the versions that contradict each other",
        )
    return (
        f"the environment can't be built: {lines[-1] if lines else 'uv said nothing'}",
        "the details are uv's own words",
    )


def _culprit(text: str, requirements: Sequence[str]) -> str:
    for pattern in (_UNKNOWN, _NO_VERSION, _NO_WHEEL):
        if found := pattern.search(text):
            return found.group(1)
    return "one of " + ", ".join(requirements)


def _because(lines: Sequence[str]) -> str:
    text = " ".join(line.lstrip("×╰─▶│ ") for line in lines)
    start = text.find("Because")
    return text[start:] if start >= 0 else text
