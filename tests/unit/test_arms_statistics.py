"""The statistics of arms beside scipy's."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence

import pytest
from scipy import stats

from mlserve.hub.arms.distributions import chi_square_above, t_critical, t_two_sided
from mlserve.hub.arms.effect import FEWEST, Moments, effect, lopsided


def moments(values: Sequence[tuple[int, float]], origin: float = 0.0) -> Moments:
    """Of ``(caller, value)`` pairs, as the ledger adds them up."""
    by_caller = defaultdict[int, list[float]](list)
    for caller, value in values:
        by_caller[caller].append(value - origin)
    n, s = [len(each) for each in by_caller.values()], [sum(each) for each in by_caller.values()]
    return Moments(
        len(n), sum(n), sum(s), sum(a * a for a in n), sum(b * b for b in s),
        sum(a * b for a, b in zip(n, s, strict=True)), max(n) == 1, all(v in (0, 1) for _, v in values), origin,
    )  # fmt: skip


def once(values: Sequence[float], origin: float = 0.0) -> Moments:
    return moments(list(enumerate(values)), origin)


@pytest.mark.parametrize("freedom", [1, 2, 3.7, 10, 58.4, 1000, 1e5])
def test_students_t_is_that_of_scipy(freedom: float) -> None:
    for t in (0.0, 1e-3, 0.5, 1.96, -5.0, 20.0):
        assert t_two_sided(t, freedom) == pytest.approx(2 * stats.t.sf(abs(t), freedom), rel=1e-7)
    for confidence in (0.5, 0.95, 0.999):
        assert t_critical(confidence, freedom) == pytest.approx(stats.t.ppf(0.5 + confidence / 2, freedom), rel=1e-7)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9])
def test_chi_square_is_that_of_scipy(freedom: int) -> None:
    for value in (0.0, 0.1, 3.84, 20.0, 200.0):
        assert chi_square_above(value, freedom) == pytest.approx(stats.chi2.sf(value, freedom), rel=1e-9)


@pytest.mark.parametrize("origin", [0.0, 1e9])
def test_numbers_are_compared_as_scipys_welch_does(origin: float) -> None:
    chance = random.Random(7)
    blue = [origin + chance.gauss(10, 2) for _ in range(80)]
    green = [origin + chance.gauss(11, 5) for _ in range(45)]
    found = effect("green", "blue", {"blue": once(blue, origin), "green": once(green, origin)})
    wanted = stats.ttest_ind(green, blue, equal_var=False)
    interval = wanted.confidence_interval(0.95)
    assert found.method == "welch"
    assert found.p_value == pytest.approx(wanted.pvalue, rel=1e-5)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-5)
    assert found.difference == pytest.approx(sum(green) / 45 - sum(blue) / 80, rel=1e-5)


@pytest.mark.parametrize(("yes", "of", "base", "base_of"), [(56, 70, 48, 80), (9, 300, 3, 300), (30, 30, 0, 30)])
def test_shares_are_compared_as_newcombe_does(yes: int, of: int, base: int, base_of: int) -> None:
    green, blue = [1.0] * yes + [0.0] * (of - yes), [1.0] * base + [0.0] * (base_of - base)
    found = effect("green", "blue", {"blue": once(blue), "green": once(green, 0.3)})
    its, other = (stats.binomtest(*each).proportion_ci(0.95, "wilson") for each in ((yes, of), (base, base_of)))
    share, part = yes / of, base / base_of
    low = share - part - math.hypot(share - its.low, other.high - part)
    high = share - part + math.hypot(its.high - share, part - other.low)
    assert found.method == "newcombe"
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9)
    table = [[yes, of - yes], [base, base_of - base]]
    assert found.p_value == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, rel=1e-6)


def test_the_interval_is_the_one_that_newcombe_published() -> None:
    """Newcombe 1998, table II, method 10, the first contrast: 56/70 and 48/80."""
    found = effect("g", "b", {"b": once([1.0] * 48 + [0.0] * 32), "g": once([1.0] * 56 + [0.0] * 14)})
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=6e-5)


def test_shares_of_all_or_none_have_no_p_value_below_one() -> None:
    found = effect("green", "blue", {"blue": once([0.0] * 40), "green": once([0.0] * 40)})
    assert (found.difference, found.p_value, found.relative) == (0.0, 1.0, None)
    assert found.low is not None
    assert found.low < 0 < (found.high or 0)


def test_callers_count_however_often_they_tell() -> None:
    """Fifty callers with ten equal values each know no more than fifty with one."""
    chance = random.Random(3)
    blue, green = [chance.random() for _ in range(50)], [chance.random() + 0.1 for _ in range(50)]
    single = effect("g", "b", {"b": once(blue), "g": once(green)})
    tenfold = {
        name: moments([(caller, value) for caller, value in enumerate(values) for _ in range(10)])
        for name, values in (("b", blue), ("g", green))
    }
    many = effect("g", "b", tenfold)
    assert (many.low, many.high) == pytest.approx((single.low, single.high))
    assert many.p_value == pytest.approx(single.p_value)


def test_the_interval_holds_the_truth_as_often_as_it_says_with_callers_of_different_diligence() -> None:
    chance = random.Random(11)

    def arm() -> Moments:
        values = []
        for caller in range(60):
            mind = chance.gauss(0, 1)
            values += [(caller, mind + chance.gauss(0, 0.3)) for _ in range(chance.randint(1, 8))]
        return moments(values)

    held = 0
    for _ in range(100):
        found = effect("g", "b", {"b": arm(), "g": arm()})
        held += (found.low or 0) <= 0 <= (found.high or 0)
    assert 0.9 <= held / 100 <= 0.99


def test_too_little_feedback_gives_no_number() -> None:
    enough, few = once([0.0, 1.0] * FEWEST), once([0.0] * (FEWEST - 1))
    for feedback in ({"b": enough, "g": few}, {"b": few, "g": enough}, {"b": enough}, {}):
        found = effect("g", "b", feedback)
        assert (found.difference, found.p_value) == (None, None)
        assert str(found.why).startswith("not enough yet")
    same = effect("g", "b", {"b": once([2.0] * 40), "g": once([3.0] * 40)})
    assert (same.difference, same.relative, same.p_value) == (1.0, 0.5, None)
    assert "not enough yet" in str(same.why)


def test_shares_of_callers_that_are_off_are_told() -> None:
    assert lopsided({"a": 520, "b": 480}, {"a": 50, "b": 50}) == pytest.approx(stats.chisquare([520, 480]).pvalue)
    assert (lopsided({"a": 600, "b": 400}, {"a": 50, "b": 50}) or 1) < 1e-9
    assert (lopsided({"a": 100}, {"a": 90, "b": 10}) or 1) < 0.01
    wanted = stats.chisquare([50, 30, 20], [100 / 3] * 3).pvalue
    assert lopsided({"a": 50, "b": 30, "c": 20}, {"a": 1, "b": 1, "c": 1}) == pytest.approx(wanted)
    assert lopsided({"a": 3, "b": 1}, {"a": 50, "b": 50}) is None
    assert lopsided({"a": 100}, {"a": 100, "b": 0}) is None
    assert lopsided({}, {}) is None
