"""Read a sample of rows: a CSV file with a header, JSON lines, or .npz."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.tensors import Array

_SUFFIXES = (".csv", ".jsonl", ".json", ".npz")
_HINT = "give a CSV file with a header, JSON lines with an object a row, or .npz with an array a name"


def read_sample(path: Path, most: int) -> dict[str, Array]:
    """Columns by name, each with its rows along the first axis; of many rows, ``most`` that lie evenly."""
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if file.suffix in _SUFFIXES]
        path = files[0] if len(files) == 1 else path
    try:
        columns = _read(path)
    except (OSError, ValueError, UnicodeDecodeError, csv.Error) as exc:
        raise StartFailure("bad-sample", f"the sample {path.name} can't be read: {exc}", _HINT) from exc
    counts = {len(column) for column in columns.values()}
    if len(counts) != 1 or 0 in counts:
        raise StartFailure("bad-sample", f"the sample {path.name} has no rows, or columns of unequal length", _HINT)
    picked = np.linspace(0, (count := counts.pop()) - 1, min(count, most)).astype(int)
    return {name: column[picked] for name, column in columns.items()}


def _read(path: Path) -> dict[str, Array]:
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files if file[name].ndim}
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8-sig") as text:
            rows = list(csv.reader(text))
        names, *body = [row for row in rows if row] or [[]]
        if any(len(row) != len(names) for row in body):
            raise ValueError(f"not every line has {len(names)} values, as its header has")
        return {name.strip(): column([row[at] for row in body]) for at, name in enumerate(names)}
    if path.suffix in (".jsonl", ".json", ".txt"):
        return _objects(path.read_bytes())
    raise ValueError(f"{path.suffix or 'no suffix'} is not a kind that is known here")


def _objects(content: bytes) -> dict[str, Array]:
    rows = (
        orjson.loads(content) if content.lstrip()[:1] == b"[" else [orjson.loads(x) for x in content.splitlines() if x]
    )
    if not rows or not all(isinstance(row, Mapping) for row in rows):
        raise ValueError("it does not hold an object for each row")
    if len(rows) == 1 and all(isinstance(value, list) for value in rows[0].values()):
        return {str(name): column(value) for name, value in rows[0].items()}
    missing = [name for name in rows[0] if any(name not in row for row in rows)]
    if missing:
        raise ValueError(f"not every row has {missing[0]!r}")
    return {str(name): column([row[name] for row in rows]) for name in rows[0]}


def column(values: Sequence[Any]) -> Array:
    """Numbers where all are (an empty text is a missing one), else texts."""
    try:
        return np.asarray([_number(value) for value in values], dtype=np.float64)
    except (TypeError, ValueError):
        return np.asarray([str(value) for value in values], dtype=np.object_)


def _number(value: Any) -> Any:
    return float("nan") if value is None or value == "" else value
