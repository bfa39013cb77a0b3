"""What people read of a release while it goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlserve.gateway.times import BOUNDS
from mlserve.hub.releases import view
from mlserve.hub.releases.counts import Standing
from mlserve.hub.releases.records import Counted, Phase, Release, Step, Strategy
from mlserve.hub.releases.step import Measured, step
from mlserve_cli.releases import line, shown, under_way

CANARY = Release(Strategy.CANARY, 1, 2, 0.0, steps=(Step(20, 5.0), Step(50, 5.0)))


def measured(release: Release, *weights: tuple[int, int]) -> dict[str, Any]:
    return {"name": "iris", "release": view.release(release, Measured(), weights, now=1.0)}


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
    line = under_way(measured(release, (1, 100 - now), (2, now)))
    assert line is not None
    assert line[1] == words


def test_past_the_last_step_all_requests_are_what_is_left() -> None:
    last, past = (measured(replace(CANARY, at=at), (1, 50), (2, 50)) for at in (1, 2))
    assert "2 of 2 (20 %, 50 %)\n" in shown(last)
    assert "2 of 2 (20 %, 50 %), passed: now to 100 %\n" in shown(past)


def test_what_a_version_did_is_counted_without_gates_and_stays_to_be_read() -> None:
    here = Standing(1, 1, ready_old=1, ready_new=1, alive_old=1, alive_new=1, prepared=True, proven=True)
    release = replace(CANARY, steps=(Step(50, 5.0),))
    for now in (1.0, 2.0):
        release = step(release, here, counted(0, 0), now).release
    text = line({"name": "iris", "release": seen(release, counted(30, 2), 3.0)})
    assert "v2 50 % (2 of 30 failed, p95 " in text
    assert "v1 50 % (0 of 0 failed)," in text, "nothing was timed"
    for now in (8.0, 9.0):
        release = step(release, here, counted(40, 3), now).release
    assert release.phase is Phase.DONE
    side = seen(release, Measured(), 99.0)["versions"][1]
    assert (side["requests"], side["errors"]) == (40, 3)
    nothing = measured(CANARY, (1, 100))["release"]["versions"][1]
    assert (nothing["requests"], nothing["p95_ms"]) == (None, None), "nobody has counted yet"


def counted(requests: int, errors: int) -> Measured:
    times = (requests,) * len(BOUNDS)
    return Measured({1: Counted(times=(0,) * len(BOUNDS)), 2: Counted(requests, errors, times)}, BOUNDS)


def seen(release: Release, said: Measured, now: float) -> dict[str, Any]:
    return view.release(release, said, ((1, 50), (2, 50)), now=now)
