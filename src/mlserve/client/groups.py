"""The service groups of a hub, and how their requests are shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from mlserve.client.answer import Answer
from mlserve.client.experiment import Experiment, experiment
from mlserve.client.tables import Table, html_table, text_table
from mlserve.errors import NotFound
from mlserve.management import Management
from mlserve.predictor import Predictor

COLUMNS = ("service", "version", "status", "ready", "weight", "percent", "standalone", "endpoint")


class Group(Answer):
    """One group, as of the last look: ``name``, ``endpoint``, ``token``, ``mode``, ``sticky``, ``members``."""

    _thing = "a group"

    name: str
    endpoint: str
    token: str

    def __init__(self, management: Management, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        self._management = management

    def link(self) -> str:
        """An address that opens it in a browser: once, within minutes."""
        return str(self._management.post(f"{_path(self.name)}/link")["link"])

    def predictor(self, *, timeout: float = 60.0) -> Predictor:
        """What asks it: any of its members answers."""
        return Predictor(self.endpoint, token=self.token, timeout=timeout)

    def predict(self, data: Any, *, model: str | None = None) -> Any:
        """Ask it once, as `Service.predict` does."""
        with self.predictor() as predictor:
            return predictor.predict(data, model=model)

    def ab(self, *, metric: str = "reward", since: float | None = None, control: str = "") -> Experiment:
        """How its members do beside one another; ``since``: seconds back. Raises NotFound, InvalidInput."""
        return experiment(self._management, f"{_path(self.name)}/ab", metric=metric, since=since, control=control)

    def __repr__(self) -> str:
        return text_table(COLUMNS, self._rows())

    def _repr_html_(self) -> str:
        return html_table(COLUMNS, self._rows())

    def _rows(self) -> list[list[Any]]:
        return [[member[column] for column in COLUMNS] for member in self._data["members"]]


class Groups:
    """``client.groups``: get, find, list, traffic."""

    def __init__(self, management: Management) -> None:
        self._management = management

    def get(self, name: str) -> Group:
        """One group; raises NotFound."""
        return Group(self._management, self._management.get(_path(name)))

    def find(self, name: str) -> Group | None:
        """One group, or None."""
        try:
            return self.get(name)
        except NotFound:
            return None

    def list(self) -> Table:
        """All groups."""
        rows = [{**group, "shares": _shares(group)} for group in self._management.get("/v1/groups")["groups"]]
        return Table(rows, ("name", "shares", "mode", "sticky", "endpoint"))

    def traffic(
        self,
        name: str,
        weights: Mapping[str, int] | None = None,
        *,
        auto: bool = False,
        standalone: Sequence[str] = (),
        join: Sequence[str] = (),
        sticky: str | None = None,
    ) -> Group:
        """Share a group's requests otherwise: ``weights`` in percent, or ``auto`` by the number of ready instances.

        ``standalone``: members that get nothing from now on, ``join``: that are counted again; ``sticky``:
        ``header:NAME``, ``cookie:NAME`` or "". Raises NotFound, InvalidInput, Conflict before anything changes; where
        nothing is wished, nothing does.
        """
        if not (weights or auto or standalone or join) and sticky is None:
            return self.get(name)
        wish = {"weights": dict(weights or {}), "auto": auto, "standalone": list(standalone), "join": list(join)}
        return Group(self._management, self._management.post(f"{_path(name)}/traffic", {**wish, "sticky": sticky}))


def _path(name: str) -> str:
    return f"/v1/groups/{quote(name, safe='')}"


def _shares(group: Mapping[str, Any]) -> str:
    return ", ".join(f"{member['service']} {member['percent']:g} %" for member in group["members"])
