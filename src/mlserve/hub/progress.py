"""How far the preparation of a version is, phase by phase."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from mlserve.errors import MlserveError


class PreparationFailed(Exception):
    """A phase of the preparation failed; ``error`` says why."""

    def __init__(self, phase: str, error: MlserveError) -> None:
        super().__init__(error.message)
        self.phase, self.error = phase, error


@dataclass(slots=True)
class Progress:
    """The phases of one preparation, as they go. ``say`` is told of each that begins."""

    phases: list[dict[str, Any]] = field(default_factory=list)
    say: Callable[[str], None] | None = None

    @asynccontextmanager
    async def phase(self, name: str) -> AsyncIterator[dict[str, Any]]:
        """Keep the time of a phase; an error of ours ends it as PreparationFailed."""
        entry: dict[str, Any] = {"phase": name, "state": "running", "at": time.time(), "seconds": None, "detail": ""}
        self.phases.append(entry)
        if self.say:
            self.say(name)
        try:
            yield entry
            entry["state"] = "done"
        except MlserveError as exc:
            entry["state"] = "failed"
            raise PreparationFailed(name, exc) from exc
        except OSError as exc:
            entry["state"] = "failed"
            raise PreparationFailed(name, _of_this_machine(exc)) from exc
        finally:
            entry["seconds"] = round(time.time() - entry["at"], 3)


def _of_this_machine(error: OSError) -> MlserveError:
    place = f"{error.filename}: " if error.filename else ""
    hint = "free some disk, or give this user the right to read and write there"
    return MlserveError(f"{place}{error.strerror or error}", hint=hint)
