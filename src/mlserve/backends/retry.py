"""Decide whether and when an instance that died is started again. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass

START_DELAYS = (1.0, 2.0)
"""Seconds before the second and the third try of a start that was never ready; then it has failed."""
LONGEST_DELAY = 30.0
CRASH_LIMIT = 5
"""Deaths in a row, without staying ready for `STEADY_SECONDS` in between, that end in Failed."""
STEADY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Death:
    """The end of one run. Times: seconds since the epoch."""

    at: float
    ready_at: float | None
    """When this run became ready, if it did."""
    deaths: int
    """Those in a row before this one."""
    was_ready: bool
    """This instance was ready in this or an earlier run."""
    has_served: bool
    """This version was ready before, somewhere."""
    retryable: bool = True
    """False: the same start can't go better the next time."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a death: how many in a row it makes, and when to start again (None: never)."""

    deaths: int
    retry_at: float | None
    reason: str = ""
    """Why it is not tried again."""


def judge(death: Death) -> Verdict:
    """The verdict on a death."""
    if death.was_ready or death.has_served:
        return _crashed(death)
    return _never_started(death)


def _never_started(death: Death) -> Verdict:
    deaths = death.deaths + 1
    if not death.retryable:
        return Verdict(deaths, None, "trying again can't help")
    if deaths > len(START_DELAYS):
        return Verdict(deaths, None, f"tried {deaths} times")
    return Verdict(deaths, death.at + START_DELAYS[deaths - 1])


def _crashed(death: Death) -> Verdict:
    steady = death.ready_at is not None and death.at - death.ready_at >= STEADY_SECONDS
    deaths = 1 if steady else death.deaths + 1
    if deaths >= CRASH_LIMIT:
        reason = f"crash loop: died {deaths} times without staying ready for {STEADY_SECONDS:.0f} s"
        return Verdict(deaths, None, reason)
    return Verdict(deaths, death.at + _back_off(deaths))


def _back_off(deaths: int) -> float:
    """0, 1, 2, 4 … seconds: the first death is answered at once."""
    return 0.0 if deaths == 1 else min(2.0 ** (deaths - 2), LONGEST_DELAY)
