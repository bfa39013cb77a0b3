"""Keep secrets out of what is shown: a descriptor as people may see it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

MASK = "***"

_NAMES = re.compile(
    r"(?:^|[_.\-/])(?:pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|private_?key|api_?key|secret_?key"
    r"|access_?key(?:_?(?:id|secret))?|decryption_?key|signing_?key|encryption_?key|docker_?auth|authorization|auth)(?:$|[_.\-/])",
    re.IGNORECASE,
)
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_USER = re.compile(r"(?P<before>[A-Za-z][A-Za-z0-9+.-]*://)(?P<user>[^/\s@]*)@")
_QUERY = re.compile(
    r"(?P<name>[?&;](?:[\w.-]*(?:signature|token|secret|password|credential|accesskeyid|api_?key)[\w.-]*)=)[^&;#\s]+",
    re.IGNORECASE,
)
_NAMED_SO = r"[\w.-]*(?:password|passwd|secret|token|credential|api[_-]?key|access[_-]?key)[\w.-]*"
_OPTION = re.compile(rf"(?P<name>(?:^|(?<=\s))(?:--?{_NAMED_SO}[= ]|{_NAMED_SO}=))\S+", re.IGNORECASE)


def is_secret(place: Iterable[str | int]) -> bool:
    """Whether what is written at this place must not be shown, by the names on the way to it."""
    return any(_names_secret(str(name)) for name in place)


def is_secret_variable(name: str, value: str) -> bool:
    """Whether a variable of an environment must not be shown: by its name, or by a password in its value."""
    return _names_secret(name) or name.upper().endswith("_HEADERS") or masked_text(value) != value


def masked(raw: Any) -> Any:
    """The same descriptor with ``***`` for every secret except the service's own token."""
    if not isinstance(raw, dict):
        return _masked(raw, "")
    return {name: value if name == "token" else _masked(value, name) for name, value in raw.items()}


def _masked(value: Any, name: str) -> Any:
    if _names_secret(name) and not isinstance(value, bool) and value not in (None, "", {}, []):
        return MASK
    if isinstance(value, dict):
        return {key: _member(value, key) for key in value}
    if isinstance(value, list | tuple):
        return [_masked(item, "") for item in value]
    return masked_text(value) if isinstance(value, str) else value


def _member(owner: dict[Any, Any], key: Any) -> Any:
    """A member of an object; in ``{"name": "DB_PASSWORD", "value": …}`` the secret's name is a value beside it."""
    if key == "value" and _names_secret(str(owner.get("name", ""))) and owner["value"] not in (None, ""):
        return MASK
    return _masked(owner[key], str(key))


def masked_text(text: str) -> str:
    """A text without the passwords inside addresses and options of it."""
    text = _USER.sub(lambda match: f"{match['before']}{MASK}@", text)
    text = _QUERY.sub(lambda match: f"{match['name']}{MASK}", text)
    return _OPTION.sub(lambda match: f"{match['name']}{MASK}", text)


def _names_secret(name: str) -> bool:
    if name == "generate_token":
        return False
    return bool(_NAMES.search(_WORDS.sub("_", name)))
