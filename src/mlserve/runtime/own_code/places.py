"""Explain a file that is not where another server would have put it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlserve.runtime.failures import StartFailure


@contextmanager
def elsewhere(places: Sequence[str], path: Path, wish: str) -> Iterator[None]:
    """A missing file at one of ``places`` becomes a StartFailure that says where the model is."""
    try:
        yield
    except FileNotFoundError as exc:
        if not any(place in str(exc.filename) for place in places):
            raise
        reason = f"no such file: {exc.filename}, which is where another server puts the model; here it lies at {path}"
        raise StartFailure("missing-model", reason, wish) from exc
