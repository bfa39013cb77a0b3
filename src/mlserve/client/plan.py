"""What a descriptor would do, before anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlserve.client.tables import Table
from mlserve.errors import from_problem

_COLUMNS = ("pointer", "old", "new", "applies")


class Plan:
    """A plan of a hub: ``action``, ``changes``, ``content``, ``strategy``, ``peak``, ``fits``, … as it says them."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = dict(data)

    action: str
    fits: bool

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._data[name]
        except KeyError:
            raise AttributeError(f"a plan has no {name!r} (it has {', '.join(sorted(self._data))})") from None

    def to_dict(self) -> dict[str, Any]:
        """All that the hub says of it."""
        return dict(self._data)

    def require_possible(self) -> None:
        """Raise what ``create`` or ``update`` would: InvalidInput, NoCapacity, FetchFailed."""
        for problem in self._data["errors"]:
            raise from_problem(problem)

    def table(self) -> Table:
        """Every field that would change, and every file."""
        return Table([*self._data["changes"], *self._data["content"]], _COLUMNS)

    def __repr__(self) -> str:
        return f"{self._head()}\n{self.table()!r}"

    def _repr_html_(self) -> str:
        return f"<p>{self._head()}</p>{self.table()._repr_html_()}"

    def _head(self) -> str:
        return f"{self._data['service']}: {self.action}, {'fits' if self.fits else 'does not fit'}"
