"""Libraries that only some wishes need: the environment was built with them, unless somebody built it by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mlserve.runtime.failures import StartFailure


@contextmanager
def needed(field: str, requirements: Sequence[str]) -> Iterator[None]:
    """Around the imports that a field of the descriptor asks for. Raises StartFailure that names field and packages."""
    try:
        yield
    except ImportError as exc:
        raise StartFailure(
            "missing-library",
            f"{field} needs {' and '.join(requirements)}: {exc}",
            f"add {' and '.join(requirements)} to requirements.txt",
        ) from exc
