"""Show lists and single things as tables, in a notebook and as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any, TypeVar, overload

Item = TypeVar("Item")
Row = Mapping[str, Any]


class Table(Sequence[Row]):
    """Rows that are plain dicts and show themselves as a table."""

    def __init__(self, rows: Iterable[Row], columns: Sequence[str], *, short: Callable[[Row], Row] = dict) -> None:
        self._rows = list(rows)
        self._columns = list(columns)
        self._short = short
        """A row as the table shows it; the row itself says all."""

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return text_table(self._columns, self._cells())

    def _repr_html_(self) -> str:
        return html_table(self._columns, self._cells())

    def _cells(self) -> list[list[Any]]:
        return [[row.get(column) for column in self._columns] for row in map(self._short, self._rows)]


def text_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Columns aligned with spaces, names in capitals."""
    cells = [[column.replace("_", " ").upper() for column in columns], *([shown(cell) for cell in row] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)
    return "\n".join(line.rstrip() for line in lines)


def html_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """The same as HTML."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(shown(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def shown(value: Any) -> str:
    """A cell's text."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
