"""When an instance that died is started again."""

from __future__ import annotations

from dataclasses import replace

from mlserve.backends.retry import Death, judge

FIRST = Death(at=100.0, ready_at=None, deaths=0, was_ready=False, has_served=False)


def test_a_start_is_tried_three_times_one_and_two_seconds_apart() -> None:
    second, third, last = (judge(replace(FIRST, deaths=number)) for number in range(3))
    assert second.retry_at == 101.0
    assert third.retry_at == 102.0
    assert last.retry_at is None
    assert last.reason == "tried 3 times"


def test_what_cannot_go_better_is_not_tried_again() -> None:
    assert judge(replace(FIRST, retryable=False)).retry_at is None


def test_a_version_that_served_is_tried_again_whatever_its_reason() -> None:
    assert judge(replace(FIRST, retryable=False, has_served=True)).retry_at == 100.0


def test_after_the_first_death_pauses_grow() -> None:
    served = replace(FIRST, ready_at=99.0, was_ready=True)
    pauses = [judge(replace(served, deaths=number)).retry_at for number in range(4)]
    assert pauses == [100.0, 101.0, 102.0, 104.0]


def test_the_fifth_death_in_a_row_is_a_crash_loop() -> None:
    verdict = judge(replace(FIRST, ready_at=99.0, was_ready=True, deaths=4))
    assert verdict.retry_at is None
    assert "crash loop" in verdict.reason


def test_a_minute_of_service_starts_the_count_anew() -> None:
    verdict = judge(replace(FIRST, ready_at=40.0, was_ready=True, deaths=4))
    assert (verdict.deaths, verdict.retry_at) == (1, 100.0)
