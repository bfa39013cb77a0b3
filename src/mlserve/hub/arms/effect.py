"""What feedback says of two arms: how far apart they are, and how sure that is. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

from mlserve.hub.arms.distributions import chi_square_above, t_critical, t_two_sided

CONFIDENCE = 0.95
FEWEST = 30
"""Callers with feedback that each arm needs before anything is said of a difference."""
SUSPICIOUS = 0.001
"""Shares that chance would bring about more rarely than so are told."""
_EXPECTED = 5
"""Callers that chi-square wants in each arm."""
_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


@dataclass(frozen=True, slots=True)
class Moments:
    """The feedback of an arm, added up over its callers, who may have given several values each.

    Of a caller with n values whose sum is s: ``n`` is Σn, ``s`` Σs, and so on. Values were counted from ``origin`` on,
    so that large ones that differ little keep their digits.
    """

    callers: int = 0
    n: int = 0
    s: float = 0.0
    nn: float = 0.0
    ss: float = 0.0
    ns: float = 0.0
    once: bool = True
    """No caller gave more than one."""
    binary: bool = False
    """All values are 0 or 1."""
    origin: float = 0.0

    @property
    def mean(self) -> float | None:
        """Of all values."""
        return self.origin + self.s / self.n if self.n else None

    @property
    def variance(self) -> float:
        """Of the mean: callers are independent of one another, the values of one caller are not."""
        ratio = self.s / self.n
        scatter = max(self.ss - 2 * ratio * self.ns + ratio * ratio * self.nn, 0.0)
        return scatter * self.callers / (self.callers - 1) / self.n**2


@dataclass(frozen=True, slots=True)
class Effect:
    """How far an arm's mean is from the control's; None wherever nothing can be said yet, and ``why``."""

    difference: float | None = None
    relative: float | None = None
    """The difference by the control's mean."""
    low: float | None = None
    high: float | None = None
    """Where the true difference is, with `CONFIDENCE`."""
    p_value: float | None = None
    """How often chance alone would bring about a difference at least as large."""
    method: str | None = None
    """``newcombe``: both are shares; ``welch``: means of numbers, or of callers with several values each."""
    why: str | None = None


def effect(arm: str, control: str, feedback: Mapping[str, Moments]) -> Effect:
    """An arm's feedback beside that of the control."""
    its, other = feedback.get(arm, Moments()), feedback.get(control, Moments())
    few = next((name for name in (control, arm) if feedback.get(name, Moments()).callers < FEWEST), None)
    if few is not None:
        has = feedback.get(few, Moments()).callers
        return Effect(why=f"not enough yet: {few} has feedback of {has} callers, and {FEWEST} are needed")
    shares = its.binary and other.binary and its.once and other.once
    return _newcombe(its, other) if shares else _welch(its, other)


def lopsided(counted: Mapping[str, int], weights: Mapping[str, int]) -> float | None:
    """How often chance alone would share callers at least so far from their weights; None: too few to say."""
    wished, came = sum(weights.values()), sum(counted.get(name, 0) for name in weights)
    expected = {name: came * weight / wished for name, weight in weights.items() if weight}
    if len(expected) < 2 or min(expected.values()) < _EXPECTED:
        return None
    distance = sum((counted.get(name, 0) - part) ** 2 / part for name, part in expected.items())
    return chi_square_above(distance, len(expected) - 1)


def _welch(its: Moments, other: Moments) -> Effect:
    """Means with unequal variances; those of each are `Moments.variance`."""
    difference, parts = _difference(its, other), (its.variance, other.variance)
    together = sum(parts)
    if together == 0:
        same = "not enough yet: all values of an arm are the same, so nothing tells how much they vary"
        return Effect(difference, _relative(difference, other), why=same)
    below = sum(part**2 / (one.callers - 1) for part, one in zip(parts, (its, other), strict=True))
    freedom, error = together**2 / below, math.sqrt(together)
    reach, p_value = t_critical(CONFIDENCE, freedom) * error, t_two_sided(difference / error, freedom)
    low, high = difference - reach, difference + reach
    return Effect(difference, _relative(difference, other), low, high, p_value, "welch")


def _newcombe(its: Moments, other: Moments) -> Effect:
    """Newcombe's interval for a difference of shares, made of Wilson's for each; the p-value of the score test."""
    difference = _difference(its, other)
    share, base = _share(its), _share(other)
    (low, high), (base_low, base_high) = _wilson(share, its.n), _wilson(base, other.n)
    down = difference - math.hypot(share - low, base_high - base)
    up = difference + math.hypot(high - share, base - base_low)
    pooled = (share * its.n + base * other.n) / (its.n + other.n)
    error = math.sqrt(pooled * (1 - pooled) * (1 / its.n + 1 / other.n))
    p_value = math.erfc(abs(difference) / error / math.sqrt(2)) if error else 1.0
    return Effect(difference, _relative(difference, other), down, up, p_value, "newcombe")


def _wilson(share: float, n: int) -> tuple[float, float]:
    middle = share + _Z**2 / (2 * n)
    reach = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return (middle - reach) / (1 + _Z**2 / n), (middle + reach) / (1 + _Z**2 / n)


def _share(one: Moments) -> float:
    return min(max(one.mean or 0.0, 0.0), 1.0)  # what was counted from another origin on may be a hair beyond


def _difference(its: Moments, other: Moments) -> float:
    return (its.origin - other.origin) + its.s / its.n - other.s / other.n


def _relative(difference: float, control: Moments) -> float | None:
    return difference / abs(control.mean) if control.mean else None
