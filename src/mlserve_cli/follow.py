"""Show what a service goes through while a verb waits for it, and say where things stand on Ctrl-C."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mlserve.client import Service
from mlserve.errors import MlserveError
from mlserve_cli import report
from mlserve_cli.options import seconds
from mlserve_cli.releases import under_way

State = Mapping[str, Any]
NOTHING: State = {}

Line = tuple[str, str, str]
"""Who (version or instance), what (phase), how (state)."""


class Interrupted(MlserveError):
    """Ctrl-C while waiting; what was wished goes on."""

    code, exit_code = "interrupted", 130


def settle(service: Service, *, no_wait: bool, timeout: str | None, undo: str) -> Service:
    """Wait with live phases unless told not to. ``undo``: the command that takes the wish back."""
    limit = seconds(timeout) if timeout else None
    _say_away(service)
    if no_wait:
        return service
    now = service.to_dict()
    with following(lambda status: _goes_on(service.name, status, f"{undo} undoes it"), now) as progress:
        service = service.wait(limit, progress)
    known = now.get("warnings") or []
    report.warnings(one for one in service.to_dict().get("warnings") or [] if one not in known)
    return service


def until_deleted(service: Service, *, no_wait: bool, timeout: str | None) -> None:
    """Delete a service, and wait until it is gone unless told not to."""
    limit = seconds(timeout) if timeout else None
    _say_away(service)
    with following(lambda status: _goes_on(service.name, "Deleting", "it can't be undone")):
        service.delete(wait=not no_wait, timeout=limit)


def _say_away(service: Service) -> None:
    if reason := service.to_dict().get("reason"):
        group = service.to_dict().get("resource")
        report.note(f'the resource group "{group}" is away, so this is done when it is back: {reason}')


@contextmanager
def uploading() -> Iterator[Any]:
    """A callback for upload progress, while a descriptor is being sent."""
    shown = Upload()
    try:
        yield shown.update
    except KeyboardInterrupt:
        message = "interrupted while sending: nothing has changed, unless the hub had just accepted it"
        raise Interrupted(message, hint="mlserve list shows; sending it again resumes the upload") from None


@contextmanager
def building() -> Iterator[Any]:
    """A callback for upload progress, while an image is built of a descriptor."""
    try:
        yield Upload().update
    except KeyboardInterrupt:
        message = "interrupted: the build is given up, and what it had begun is removed"
        raise Interrupted(message, hint="the same command again builds it") from None


@contextmanager
def transferring() -> Iterator[Any]:
    """A callback for a transfer of the hub's own: in place on a terminal, else a line every few seconds."""
    shown = Transfer(live=sys.stderr.isatty())
    try:
        yield shown.update
    except KeyboardInterrupt:
        message = "interrupted: the hub goes on with the upload in the background"
        raise Interrupted(message, hint="the same command again goes on where it is") from None
    finally:
        shown.end()


@contextmanager
def following(interrupted: Callable[[str], MlserveError], known: State = NOTHING) -> Iterator[Any]:
    """A progress callback, live on a terminal, else a line each change; ``interrupted`` says where Ctrl-C leaves it.

    What is ``known`` of the service already is not shown again as a line.
    """
    shown: Lines | Live = Live() if sys.stderr.isatty() else Lines(known)
    try:
        with shown:
            yield shown.update
    except KeyboardInterrupt:
        raise interrupted(shown.status) from None


def _goes_on(name: str, status: str, undo: str) -> Interrupted:
    message = f'interrupted: "{name}" is {status or "accepted"} and goes on in the background'
    return Interrupted(message, hint=f"mlserve describe {name} follows it, {undo}")


_LONGEST_DETAIL = 40
_LONGEST_STEP = 120
_SAY_SECONDS = 3.0


class Upload:
    """A line for each tenth that is sent."""

    def __init__(self) -> None:
        self._shown = -1

    def update(self, sent: int, total: int) -> None:
        """Print how far it is."""
        tenth = 10 * sent // total if total else 10
        if tenth > self._shown:
            self._shown = tenth
            report.note(f"upload {sent / 1e6:.1f} of {total / 1e6:.1f} MB")


class Transfer:
    """One line that says how far it is."""

    def __init__(self, *, live: bool) -> None:
        self._live, self._shown, self._at = live, "", 0.0

    def update(self, text: str) -> None:
        """Print where it stands."""
        if self._live:
            sys.stderr.write(f"\r\033[K{text}")
            sys.stderr.flush()
        elif text != self._shown and time.monotonic() - self._at > _SAY_SECONDS:
            self._at = time.monotonic()
            report.note(text)
        self._shown = text

    def end(self) -> None:
        """Leave the line clean."""
        if self._live and self._shown:
            sys.stderr.write("\r\033[K")


class Lines:
    """Plain lines: each phase once, and every few seconds what one that takes long is at."""

    def __init__(self, known: State, clock: Callable[[], float] = time.monotonic) -> None:
        self.status = str(known.get("status", ""))
        self._seen: set[Line] = {line[:3] for line in _lines(known)}
        self._clock, self._at, self._told = clock, clock(), ""

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, state: State) -> None:
        """Print what is new."""
        self.status = str(state.get("status", ""))
        for who, what, how, detail in _lines(state):
            if (who, what, how) not in self._seen:
                self._seen.add((who, what, how))
                self._note(state, who, what, how, detail)
            elif how == "running" and detail not in ("", self._told) and self._clock() - self._at >= _SAY_SECONDS:
                self._note(state, who, what, how, detail)

    def _note(self, state: State, *words: str) -> None:
        self._at, self._told = self._clock(), words[-1]
        text = " ".join(filter(None, [str(state.get("name", "")), *words]))
        report.note(text if len(text) <= _LONGEST_STEP or words[-2] != "running" else f"{text[:_LONGEST_STEP]}…")


class Live:
    """A table on the terminal that changes in place."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self.status = ""
        self._begin = time.monotonic()
        self._live = RichLive(console=Console(stderr=True), refresh_per_second=8, transient=True)

    def __enter__(self) -> Live:
        self._live.__enter__()
        return self

    def __exit__(self, *arguments: Any) -> None:
        self._live.__exit__(*arguments)

    def update(self, state: State) -> None:
        """Draw it anew."""
        from rich.spinner import Spinner
        from rich.table import Table

        self.status = str(state.get("status", ""))
        table = Table.grid(padding=(0, 2))
        table.add_row(Spinner("dots"), f"{state.get('name')} {self.status}", f"{time.monotonic() - self._begin:.0f} s")
        for who, text in _rows(state).items():
            table.add_row("", who, text)
        self._live.update(table)


def _rows(state: State) -> dict[str, str]:
    rows: dict[str, dict[str, str]] = {}
    for who, what, how, detail in _lines(state):
        rows.setdefault(who, {})[what] = " ".join(filter(None, [what, "" if how == "done" else how, detail]))
    return {who: " · ".join(filter(None, phases.values())) for who, phases in rows.items()}


def _lines(state: State) -> Iterator[tuple[str, str, str, str]]:
    if line := under_way(state):
        yield line
    for phase in state.get("phases") or []:
        yield (f"version {_prepared(state)}", *_phase(phase))
    for instance in state.get("instances") or []:
        who = f"{instance.get('id')}"
        for phase in instance.get("phases") or []:
            yield (who, *_phase(phase))
        reason = str(instance.get("reason") or "")
        yield who, "", str(instance.get("state", "")), reason


def _prepared(state: State) -> Any:
    """The version that the service's own phases are of; while an update runs, another one serves."""
    newest = state.get("last_update") or state.get("wished") or state
    return newest.get("version", state.get("version"))


def _phase(phase: Mapping[str, Any]) -> tuple[str, str, str]:
    duration = phase.get("seconds")
    detail = str(phase.get("detail") or "")
    if phase.get("state") == "done" and (phase.get("phase") == "verify" or len(detail) > _LONGEST_DETAIL):
        detail = ""  # what was found on the way is for validate to tell
    took = f"{duration:.1f} s" if isinstance(duration, int | float) and phase.get("state") != "running" else ""
    return str(phase.get("phase", "")), str(phase.get("state", "")), " ".join(filter(None, [took, detail]))
