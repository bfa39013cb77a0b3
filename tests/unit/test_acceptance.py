"""What a hub says of a descriptor that it accepts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

import pytest

from mlserve.backends.base import Capacity
from mlserve.hub.acceptance import Submission, accept
from mlserve.storage import ContentStore


class Room:
    """A place of two cores."""

    kind = "local"
    contained = False
    credentials: ClassVar[dict[str, str]] = {}

    def __init__(self, free: float) -> None:
        self.backend, self._free = self, free

    def pick(self, _: object) -> Room:
        return self

    def require_there(self) -> None:
        """It is."""

    async def capacity(self) -> Capacity:
        return Capacity(cpu=2, cpu_free=self._free)


@pytest.mark.parametrize(
    ("free", "count", "beside", "said"),
    [
        (0, 1, 0, "other services have reserved 2 of 2 cores already, so this one shares them"),
        (2, 3, 0, "3 × 1 cores are asked for, and there are 2: its instances share them"),
        (1, 1, 0, None),
        (0, 2, 2, None),
    ],
)
def test_cores_that_are_shared_are_told_in_plain_words(
    tmp_path: Path, free: float, count: int, beside: int, said: str | None
) -> None:
    wished = {"name": "a", "processor_type": "python", "processor_path": "https://host/p.py"}
    asked = Submission({**wished, "metadata": {"instance": count, "cpu": 1}}, {})
    found = asyncio.run(accept(asked, Room(free), ContentStore(tmp_path), beside=beside))  # type: ignore[arg-type]
    assert [one["message"] for one in found.warnings if one["code"] == "over-subscribed"] == ([said] if said else [])
