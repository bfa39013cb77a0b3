"""The distributions that comparing arms needs: Student's t and chi-square. Pure; six digits or more are right."""

from __future__ import annotations

import math

_STEPS = 10_000
_TINY = 1e-300


def t_two_sided(t: float, freedom: float) -> float:
    """How often Student's t is at least this far from 0, on either side."""
    if math.isinf(t):
        return 0.0
    return _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


def t_critical(confidence: float, freedom: float) -> float:
    """How far from 0 Student's t stays with this probability: 1.96 for 0.95 and much freedom."""
    beyond, low, high = 1 - confidence, 0.0, 2.0
    while t_two_sided(high, freedom) > beyond:
        high *= 2
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if t_two_sided(middle, freedom) > beyond else (low, middle)
    return high


def chi_square_above(value: float, freedom: int) -> float:
    """How often chi-square is at least this large; ``freedom`` is a whole number from 1 on."""
    half = value / 2
    if freedom % 2:
        total, term, steps = math.erfc(math.sqrt(half)), math.exp(-half) * math.sqrt(half / math.pi) * 2, 1.5
    else:
        total, term, steps = 0.0, math.exp(-half), 1.0
    for _ in range(freedom // 2):
        total += term
        term *= half / steps
        steps += 1
    return min(total, 1.0)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularized incomplete beta function, by its continued fraction (Lentz's way of reading it)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(scale + a * math.log(x) + b * math.log1p(-x)) / a
    return front * (_fraction(a, b, x) - 1)


def _fraction(a: float, b: float, x: float) -> float:
    found, c, d = 1.0, 1.0, 0.0
    for step in range(_STEPS):
        term = _term(a, b, x, step)
        d = 1 / _nonzero(1 + term * d)
        c = _nonzero(1 + term / c)
        found *= c * d
        if step and abs(c * d - 1) < 1e-15:
            break
    return found


def _term(a: float, b: float, x: float, step: int) -> float:
    if step == 0:
        return 1.0
    half = step // 2
    if step % 2:
        return -(a + half) * (a + b + half) * x / ((a + step - 1) * (a + step))
    return half * (b - half) * x / ((a + step - 1) * (a + step))


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
