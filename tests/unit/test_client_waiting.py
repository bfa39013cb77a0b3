"""Waiting for a wish, against a hub that is only a list of answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from mlserve.client.waiting import Wish, until_gone, until_settled
from mlserve.errors import HubUnreachable, NotFound, StartFailed, TimedOut, UpdateFailed

RUNNING = {"name": "iris", "status": "Running", "settled": True, "generation": 2}
BUSY = {"name": "iris", "status": "Updating", "settled": False, "generation": 2}


def answers(*states: Any) -> Callable[[], Mapping[str, Any]]:
    left = list(states)

    def look() -> Mapping[str, Any]:
        state = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(state, Exception):
            raise state
        return dict(state)

    return look


def test_an_earlier_wish_that_is_settled_is_not_ours() -> None:
    earlier = {**RUNNING, "generation": 1}
    seen: list[Any] = []
    found = until_settled(answers(earlier, BUSY, RUNNING), Wish("iris", 2), on_progress=seen.append)
    assert found == RUNNING
    assert len(seen) == 3


def test_a_failed_start_raises_with_its_record() -> None:
    failure = {"phase": "load", "reason": "boom", "hint": "mend it"}
    with pytest.raises(StartFailed) as caught:
        until_settled(answers({**RUNNING, "status": "Failed", "failure": failure}), Wish("iris", 2))
    assert caught.value.details == [failure]
    assert caught.value.hint == "mend it"


def test_a_failed_update_raises_for_the_update_alone() -> None:
    state = {**RUNNING, "last_update": {"version": 3, "state": "failed"}, "failure": {"reason": "boom"}}
    with pytest.raises(UpdateFailed):
        until_settled(answers(state), Wish("iris", 2, update=3))
    assert until_settled(answers(state), Wish("iris", 2)) == state


def test_running_out_of_time_says_that_it_goes_on() -> None:
    with pytest.raises(TimedOut) as caught:
        until_settled(answers(BUSY), Wish("iris", 2), timeout=0.1)
    assert "goes on in the background" in caught.value.message
    assert "mlserve describe iris" in caught.value.hint


def test_a_hub_that_is_away_for_a_moment_does_not_end_the_wait() -> None:
    assert until_settled(answers(HubUnreachable("away"), RUNNING), Wish("iris", 2)) == RUNNING


def test_gone_means_not_found() -> None:
    until_gone(answers(BUSY, NotFound("no service")), "iris", timeout=5)
    with pytest.raises(TimedOut):
        until_gone(answers(BUSY), "iris", timeout=0.1)
