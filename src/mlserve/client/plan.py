"""What a descriptor would do, before anything is done."""

from __future__ import annotations

from mlserve.client.answer import Answer
from mlserve.client.tables import Table
from mlserve.errors import from_problem

_COLUMNS = ("pointer", "old", "new", "applies")


class Plan(Answer):
    """A plan of a hub: ``action``, ``changes``, ``content``, ``strategy``, ``peak``, ``fits``, … as it says them."""

    _thing = "a plan"

    action: str
    fits: bool

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
