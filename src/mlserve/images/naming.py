"""What an image may be called, and what it is called where nobody says. Pure."""

from __future__ import annotations

import re

from mlserve.errors import InvalidInput

_HOST = r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9.-]+(?=:))(?::\d+)?/"
_PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"(?:{_HOST})?{_PART}(?:/{_PART})*(?::(?P<tag>\w[\w.-]{{0,127}}))?", re.ASCII)


def named(wished: str, service: str, version: int) -> str:
    """``repository:tag``, the tag being the version unless wished; raises InvalidInput for what no engine takes."""
    if not wished:
        return f"mlserve/{service}:{version}"
    found = _NAME.fullmatch(wished)
    if not found:
        raise InvalidInput(
            f'"{wished}" is no name for an image', hint="write it as REGISTRY/NAME:TAG, in small letters"
        )
    return wished if found["tag"] else f"{wished}:{version}"
