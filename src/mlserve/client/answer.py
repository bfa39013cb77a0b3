"""What a hub says of one thing, as an object: its words are attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class Answer:
    """Each thing that a hub describes is one of these; ``to_dict`` has all that it says."""

    _thing: ClassVar[str]
    """How an error calls it."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = dict(data)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._data[name]
        except KeyError:
            raise AttributeError(f"{self._thing} has no {name!r} (it has {', '.join(sorted(self._data))})") from None

    def to_dict(self) -> dict[str, Any]:
        """All that the hub says of it."""
        return dict(self._data)
