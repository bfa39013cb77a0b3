"""What people read of a release while it goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlserve.hub.releases import view
from mlserve.hub.releases.records import Phase, Release, Step, Strategy
from mlserve.hub.releases.step import Told
from mlserve_cli.releases import shown, under_way

CANARY = Release(Strategy.CANARY, 1, 2, 0.0, steps=(Step(20, 5.0), Step(50, 5.0)))


def told(release: Release, *weights: tuple[int, int]) -> dict[str, Any]:
    return {"name": "iris", "release": view.release(release, Told(), weights, now=1.0)}


@pytest.mark.parametrize(
    ("release", "now", "words"),
    [
        (CANARY, 0, "canary to version 2, 20 %"),
        (replace(CANARY, phase=Phase.JUDGING), 20, "canary to version 2, 20 %"),
        (replace(CANARY, at=1), 20, "canary to version 2, 50 %"),
        (replace(CANARY, at=2), 50, "canary to version 2, 100 %"),
        (replace(CANARY, phase=Phase.RETURNING), 0, "canary to version 2, 0 %"),
        (replace(CANARY, strategy=Strategy.BLUE_GREEN, steps=()), 0, "blue_green to version 2, 100 %"),
        (replace(CANARY, strategy=Strategy.ROLLING, steps=()), 33, "rolling to version 2, 33 %"),
    ],
)
def test_a_release_shows_the_share_that_it_is_at_work_on(release: Release, now: int, words: str) -> None:
    line = under_way(told(release, (1, 100 - now), (2, now)))
    assert line is not None
    assert line[1] == words


def test_past_the_last_step_all_requests_are_what_is_left() -> None:
    last, past = (told(replace(CANARY, at=at), (1, 50), (2, 50)) for at in (1, 2))
    assert "2 of 2 (20 %, 50 %)\n" in shown(last)
    assert "2 of 2 (20 %, 50 %), passed: now to 100 %\n" in shown(past)
