"""Releases as a walk of a pure function, step by step."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.release_kit import counted, measured, release, through_a_crash

from mlserve.hub.releases.counts import Standing, peak, wanted, weights
from mlserve.hub.releases.gates import Verdict
from mlserve.hub.releases.records import Counted, Gates, Phase, Release, Step, Strategy
from mlserve.hub.releases.step import Measured, judgement, pause, promote, resume, step

NOTHING = measured(counted(0), counted(0))
WHOLE = Standing(count=2, old_count=2, ready_old=2, alive_old=2, prepared=True)
BOTH = replace(WHOLE, ready_new=2, alive_new=2, proven=True)


def walk(made: Release, standing: Standing, said: Measured, *moments: float) -> tuple[Release, str]:
    for now in moments:
        move = step(made, standing, said, now)
        made = move.release
        if move.blame:
            return made, move.blame
    return made, ""


def test_a_canary_waits_for_the_instances_of_its_step_then_shares_the_requests() -> None:
    made = release(steps=(Step(20, 5.0),))
    made, _ = walk(made, WHOLE, NOTHING, 0, 1)
    assert wanted(made, WHOLE) == {1: 2, 2: 1}
    assert weights(made, WHOLE) == ((1, 100),)
    one = replace(WHOLE, ready_new=1, proven=True)
    made, _ = walk(made, one, NOTHING, 2)
    assert (made.phase, weights(made, one)) == (Phase.JUDGING, ((1, 80), (2, 20)))
    made, _ = walk(made, one, NOTHING, 6.9)
    assert made.at == 0
    made, _ = walk(made, one, NOTHING, 7)
    assert (made.at, wanted(made, one), weights(made, one)) == (1, {1: 2, 2: 2}, ((1, 80), (2, 20)))
    assert walk(made, BOTH, NOTHING, 8)[0].phase is Phase.DONE


def test_blue_green_switches_all_requests_at_once() -> None:
    made, _ = walk(release(Strategy.BLUE_GREEN), WHOLE, NOTHING, 0, 1)
    almost = replace(BOTH, ready_new=1)
    assert (wanted(made, almost), weights(made, almost)) == ({1: 2, 2: 2}, ((1, 100),))
    assert walk(made, BOTH, NOTHING, 2)[0].phase is Phase.DONE


def test_a_step_without_a_time_waits_for_somebody() -> None:
    made, _ = walk(release(steps=(Step(50, None),)), BOTH, NOTHING, 0, 1, 2, 1e6)
    assert (made.phase, made.at) == (Phase.JUDGING, 0)
    assert walk(promote(made), BOTH, NOTHING, 1e6)[0].at == 1


def test_a_paused_release_stays_and_its_time_does_not_count() -> None:
    made, _ = walk(release(steps=(Step(50, 5.0),)), BOTH, NOTHING, 0, 1)
    made, _ = walk(pause(made, 2), BOTH, NOTHING, 3, 100)
    assert made.phase is Phase.JUDGING
    made = resume(made, 100)
    assert walk(made, BOTH, NOTHING, 103)[0].at == 0
    assert walk(made, BOTH, NOTHING, 104)[0].at == 1


def test_errors_end_a_step_before_its_time() -> None:
    made = release(steps=(Step(50, 60.0),), gates=Gates(max_error_percent=5))
    made, _ = walk(made, BOTH, measured(counted(100, 3), counted(10)), 0, 1)
    few = measured(counted(200, 3), counted(29, 19))
    assert walk(made, BOTH, few, 2)[1] == ""
    _, blame = walk(made, BOTH, measured(counted(200, 3), counted(30, 5)), 3)
    assert blame == "25.0 % of 20 requests failed, at most 5 % may (the old version: 0.0 %)"


def test_errors_also_count_while_a_step_waits_for_its_instances() -> None:
    made = release(steps=(Step(20, 1.0), Step(90, 1.0)), gates=Gates(max_error_percent=5, min_requests=10))
    one = replace(BOTH, ready_new=1, alive_new=1)
    made, _ = walk(made, one, measured(counted(0), counted(0)), 0, 1)
    made, _ = walk(made, one, measured(counted(90), counted(10)), 3)
    assert (made.at, made.phase) == (1, Phase.FILLING)
    assert "of 40 requests failed" in walk(made, one, measured(counted(200), counted(40, 30)), 4)[1]


def answers(compared: int, different: int) -> Measured:
    """What was compared, while hardly anybody is answered by the new version."""
    return measured(counted(100), replace(counted(3), compared=compared, different=different))


HEARD = Gates(max_different_percent=10)


def test_nobody_is_answered_by_a_version_before_enough_of_its_answers_were_compared() -> None:
    made = release(steps=(Step(0, 0.0), Step(50, 5.0)), gates=HEARD)
    made, _ = walk(made, BOTH, answers(5, 5), 0, 1)
    assert (made.phase, weights(made, BOTH)) == (Phase.JUDGING, ((1, 100),))
    assert judgement(made, answers(24, 5), 2).why == "19 of the 20 answers that comparing them needs"
    made, blame = walk(made, BOTH, answers(25, 7), 2)
    assert (blame, made.at) == ("", 1)
    made, _ = walk(made, BOTH, answers(30, 7), 3)
    assert weights(made, BOTH) == ((1, 50), (2, 50))
    assert judgement(made, answers(60, 7), 4).verdict is Verdict.OPEN, "and then by what its callers get as well"


def test_answers_that_differ_end_a_step_at_once_whatever_else_is_still_to_be_judged() -> None:
    made = release(steps=(Step(50, 60.0),), gates=replace(HEARD, max_error_percent=1))
    made, _ = walk(made, BOTH, answers(100, 90), 0, 1)
    assert walk(made, BOTH, answers(119, 109), 2)[1] == ""
    _, blame = walk(made, BOTH, answers(120, 93), 2)
    assert blame == "15.0 % of 20 answers differ from the old version's, at most 10 % may be"


def test_a_hub_that_began_to_compare_anew_begins_the_step_anew() -> None:
    made = release(steps=(Step(0, 0.0),), gates=HEARD)
    made, _ = walk(made, BOTH, answers(50, 0), 0, 1)
    made, blame = walk(made, BOTH, answers(3, 3), 4)
    assert (blame, made.since, made.marks[2].compared) == ("", 4, 3)
    through_a_crash(made)


def test_answers_that_nobody_can_compare_end_a_release_by_its_limit() -> None:
    made, blame = walk(release(steps=(Step(0, 0.0),), gates=HEARD), BOTH, NOTHING, 0, 1, 49)
    assert (made.at, blame) == (0, "")
    assert "0 of the 20 answers" in walk(made, BOTH, NOTHING, 52)[1]


def test_slowness_is_judged_side_by_side_when_the_step_is_over() -> None:
    made = release(steps=(Step(50, 5.0),), gates=Gates(max_p95_ratio=2))
    made, _ = walk(made, BOTH, measured(counted(1000), counted(0)), 0, 1)
    slow = measured(counted(1100), counted(100, slow=50))
    assert walk(made, BOTH, slow, 2)[1] == ""
    assert "p95 is" in walk(made, BOTH, slow, 6)[1]
    as_fast = measured(counted(1100), counted(100))
    assert walk(made, BOTH, as_fast, 6)[0].at == 1


def test_times_that_begin_anew_when_instances_change_are_counted_from_there() -> None:
    made = release(steps=(Step(50, 5.0),), gates=Gates(max_p95_ratio=2))
    made, _ = walk(made, BOTH, measured(counted(1000), counted(0)), 0, 1)
    gone = Counted(1040, 0, (0, 10, 10, 10))  # of 40 requests 30 were timed before the old version lost an instance
    made, blame = walk(made, BOTH, measured(gone, counted(40)), 3)
    assert (made.marks[1].total, made.marks[1].times, blame) == (1000, (), "")
    again = Counted(2200, 0, (0, 1170, 1170, 1170))
    assert "10 of the 20 timed" in judgement(made, measured(gone, counted(40)), 7).why
    assert walk(made, BOTH, measured(again, counted(100)), 7)[0].at == 1
    assert "p95 is" in walk(made, BOTH, measured(again, counted(100, slow=50)), 7)[1]


def test_gates_that_nobody_feeds_end_by_their_limit() -> None:
    made = release(steps=(Step(50, 5.0),), gates=Gates(max_error_percent=5))
    made, blame = walk(made, BOTH, NOTHING, 0, 1, 10, 55)
    assert (made.at, blame) == (0, "")
    assert "0 of the 20 requests" in walk(made, BOTH, NOTHING, 57)[1]


def test_a_gateway_that_began_anew_begins_the_step_anew() -> None:
    made = release(steps=(Step(50, 5.0),), gates=Gates(max_error_percent=5))
    made, _ = walk(made, BOTH, measured(counted(1000), counted(900)), 0, 1)
    made, blame = walk(made, BOTH, measured(counted(10), counted(30, 30)), 4)
    assert (blame, made.since, made.marks[2]) == ("", 4, counted(30, 30))


def test_the_old_figures_of_a_switch_are_those_of_before() -> None:
    made = release(Strategy.BLUE_GREEN, steps=(Step(100, 0.0),), gates=Gates(max_p95_ratio=2))
    made, _ = walk(made, WHOLE, measured(counted(500), counted(0)), 0)
    made, _ = walk(made, BOTH, measured(counted(600), counted(0)), 9)
    assert weights(made, BOTH) == ((2, 100),)
    assert judgement(made, measured(counted(600), counted(40)), 10).verdict is Verdict.PASSED
    assert judgement(made, measured(counted(600), counted(40, slow=40)), 10).verdict is Verdict.FAILED


def test_a_failed_version_loses_its_requests_at_once() -> None:
    made, _ = walk(release(steps=(Step(50, 60.0),)), BOTH, NOTHING, 0, 1)
    made, _ = walk(made, replace(BOTH, trouble="it crashed"), NOTHING, 2)
    assert (made.phase, made.reason, weights(made, BOTH)) == (Phase.FAILED, "it crashed", ((1, 100),))


def test_rolling_never_has_less_than_before_nor_more_than_its_surge() -> None:
    made, _ = walk(release(Strategy.ROLLING), WHOLE, NOTHING, 0)
    assert wanted(made, WHOLE) == {1: 2, 2: 1}
    one = replace(WHOLE, ready_new=1, alive_new=1)
    assert wanted(made, one) == {1: 2, 2: 1}, "not proven yet"
    assert wanted(made, replace(one, proven=True)) == {1: 1, 2: 1}
    later = replace(one, proven=True, ready_old=1, alive_old=1)
    assert (wanted(made, later), weights(made, later)) == ({1: 1, 2: 2}, ((1, 50), (2, 50)))
    assert (peak(made, 2, 2), peak(release(Strategy.BLUE_GREEN), 2, 2)) == (3, 4)


def test_rolling_back_keeps_the_new_ones_until_the_old_are_there() -> None:
    made, _ = walk(release(Strategy.ROLLING), WHOLE, NOTHING, 0)
    late = replace(BOTH, ready_old=0, alive_old=0, ready_new=1, alive_new=1, trouble="it crashed")
    made, _ = walk(made, late, NOTHING, 1)
    assert (made.phase, wanted(made, late), weights(made, late)) == (Phase.RETURNING, {1: 2, 2: 1}, ((2, 100),))
    back = replace(late, ready_old=2)
    assert walk(made, back, NOTHING, 2)[0].phase is Phase.FAILED


def test_recreate_ends_the_old_ones_first() -> None:
    made, _ = walk(release(Strategy.RECREATE), WHOLE, NOTHING, 0)
    assert wanted(made, WHOLE) == {1: 0, 2: 0}
    assert wanted(made, replace(WHOLE, ready_old=0, alive_old=0)) == {1: 0, 2: 2}
