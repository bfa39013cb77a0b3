"""An experiment (A/B): how its arms do, as of one look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from mlserve.client.answer import Answer
from mlserve.client.tables import html_table, text_table
from mlserve.management import Management

COLUMNS = ("arm", "percent", "callers", "requests", "errors", "p50_ms", "p95_ms", "feedback", "mean")


def experiment(management: Management, path: str, *, metric: str, since: float | None, control: str) -> Experiment:
    """Ask how the arms at a path do."""
    asked = {"metric": metric, "since": since, "control": control or None}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    return Experiment(management.get(f"{path}?{query}"))


class Experiment(Answer):
    """How the arms of a group or a release do: ``arms``, ``effects`` beside the ``control``, ``warnings``."""

    _thing = "an experiment"

    def __repr__(self) -> str:
        return "\n".join([text_table(COLUMNS, self._rows()), "", *map(self._line, self._data["effects"])])

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{self._line(effect)}</p>" for effect in self._data["effects"])
        return html_table(COLUMNS, self._rows()) + lines

    def _rows(self) -> list[list[Any]]:
        short = [{**arm, "mean": None if arm["mean"] is None else f"{arm['mean']:.4g}"} for arm in self._data["arms"]]
        return [[arm[column] for column in COLUMNS] for arm in short]

    def _line(self, effect: Mapping[str, Any]) -> str:
        """One effect as a sentence."""
        whose = f"{effect['arm']} beside {effect['control']}"
        if effect["low"] is None:
            return f"{whose}: {effect['why']}"
        relative = "" if effect["relative"] is None else f" ({100 * effect['relative']:+.1f} %)"
        sure = f"{100 * self._data['confidence']:g} % sure: between {effect['low']:+.4g} and {effect['high']:+.4g}"
        far = f"{self._data['metric']} {effect['difference']:+.4g}{relative}"
        return f"{whose}: {far}, {sure}, p = {effect['p_value']:.2g}"
