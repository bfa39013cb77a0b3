"""Relative names that stay inside their folder. Pure: no I/O."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

_LOGIN = re.compile(r"(?<=//)[^/@\s]+@")
_QUERY = re.compile(r"(?<=\?)[^\s'\")]+")


def unsafe(name: str) -> str:
    """Why the relative name must not be written below a folder; empty when it may be."""
    if not name or "\0" in name:
        return "an empty name or one with a NUL"
    if name.startswith(("/", "\\")) or name[1:3] in (":/", ":\\"):
        return "an absolute path"
    parts = name.replace("\\", "/").split("/")
    if ".." in parts:
        return 'a path with ".."'
    if any(len(part.encode("utf-8", "replace")) > 255 for part in parts) or len(name) > 3000:
        return "a name that is too long"
    if not _is_utf8(name):
        return "a name that is not UTF-8"
    return ""


def redacted(uri: str) -> str:
    """The address without user, password and query, fit for a log or an error."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return f"{uri.partition(':')[0]}://…"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "…" if parts.query else "", ""))


def scrubbed(text: str) -> str:
    """What some program said, without the logins and queries of the addresses in it."""
    return _QUERY.sub("…", _LOGIN.sub("", text))


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
