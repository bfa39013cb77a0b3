"""Wait for what was wished: poll until it is settled, and say which way it went."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlserve.errors import HubUnreachable, MlserveError, NotFound, StartFailed, TimedOut, UpdateFailed

State = Mapping[str, Any]
Progress = Callable[[State], None]
"""Called with the service as the hub shows it, after each look."""

_SHORTEST, _LONGEST = 0.05, 0.25
_HUB_AWAY_SECONDS = 15.0
"""How long a hub may be away (it restarts, say) before the wait gives up."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is waited for; ``update``: the version that should take over, where it is an update."""

    name: str
    generation: int
    update: int | None = None


def until_settled(
    look: Callable[[], State], wish: Wish, *, timeout: float | None = None, on_progress: Progress | None = None
) -> State:
    """The service once the wish is met. Raises StartFailed, UpdateFailed, TimedOut (it then goes on by itself)."""
    state: State = {}

    def settled() -> bool:
        nonlocal state
        state = look()
        if on_progress:
            on_progress(state)
        if int(state.get("generation") or 0) < wish.generation:
            return False
        return bool(state.get("settled")) or (wish.update is not None and waits_for_somebody(state))

    if not _poll(settled, timeout):
        raise _timed_out(wish.name, str(state.get("status", "")), timeout or 0)
    _raise_failure(state, wish)
    return state


def waits_for_somebody(state: State) -> bool:
    """Its release is at a step that goes on when somebody promotes it."""
    return bool(state.get("release")) and (state.get("release") or {}).get("state") == "waiting"


def until_gone(look: Callable[[], State], name: str, *, timeout: float | None = None) -> None:
    """Return once the service is not there any more. Raises TimedOut."""

    def gone() -> bool:
        try:
            look()
        except NotFound:
            return True
        return False

    if not _poll(gone, timeout):
        raise _timed_out(name, "Deleting", timeout or 0)


def _poll(done: Callable[[], bool], timeout: float | None) -> bool:
    deadline = None if timeout is None else time.monotonic() + timeout
    pause = _SHORTEST
    away_since: float | None = None
    while True:
        try:
            if done():
                return True
            away_since = None
        except HubUnreachable:
            away_since = away_since or time.monotonic()
            if time.monotonic() - away_since > _HUB_AWAY_SECONDS:
                raise
        if deadline is not None and time.monotonic() + pause > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.3, _LONGEST)


def _raise_failure(state: State, wish: Wish) -> None:
    failure = state.get("failure") or {}
    if state.get("status") == "Failed":
        raise StartFailed(
            f'"{wish.name}" did not start: {_reason(failure)}',
            hint=str(failure.get("hint") or f"mlserve why {wish.name} shows it again, mlserve update or delete it"),
            details=[dict(failure)] if failure else [],
        )
    update = state.get("last_update") or {}
    if wish.update is not None and update.get("state") == "failed" and update.get("version") == wish.update:
        again = state.get("version") == wish.update
        what = f'the restart of "{wish.name}"' if again else f'version {wish.update} of "{wish.name}"'
        raise UpdateFailed(
            f"{what} failed, what served before still does: {_reason(failure)}",
            hint=str(failure.get("hint") or f"mlserve why {wish.name} shows it again"),
            details=[dict(failure)] if failure else [],
        )

    if state.get("status") == "Degraded" and failure:
        raise StartFailed(
            f'not all instances of "{wish.name}" run: {_reason(failure)}',
            hint=str(failure.get("hint") or f"mlserve why {wish.name} shows it again"),
            details=[dict(failure)],
        )


def _reason(failure: Mapping[str, Any]) -> str:
    return str(failure.get("reason") or "the hub gave no reason")


def _timed_out(name: str, status: str, timeout: float) -> MlserveError:
    return TimedOut(
        f'"{name}" is still {status or "in progress"} after {timeout:g} s; it goes on in the background',
        hint=f"mlserve describe {name} shows how far it is",
    )
