"""How answers differ, for a person to read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlserve.client.tables import text_table

_COLUMNS = ("request", "field", "old", "new")


def summary(found: Mapping[str, Any] | None) -> str | None:
    """One line; nothing where nothing was compared."""
    if not found:
        return None
    said = [f"{found['compared']} compared, {found['different']} different ({found['percent']:g} %)"]
    if found["flipped"]:
        said.append(f"{found['flipped']} with another label")
    if found["unanswered"]:
        said.append(f"{found['unanswered']} not answered")
    return ", ".join([*said, f"largest difference of two numbers {found['largest']:.3g}"])


def examples(found: Mapping[str, Any] | None) -> str:
    """Some of those that differ, a row each; empty where there are none."""
    rows = [[one[column] for column in _COLUMNS] for one in (found or {}).get("examples") or []]
    return text_table(_COLUMNS, rows) if rows else ""
