"""Tell the hub how the start goes: one JSON object a line in the report file or among the output, and a log line."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

OUTPUT = "-"
"""As path: among the output, since nothing else leaves a container whose files can't be written to."""
_RECORD = b"\x1e"
"""Before each line there: the separator of JSON records, which no log begins a line with."""


def log(event: str, **fields: Any) -> None:
    """One event with its fields on standard error, where the backend collects it."""
    words = " ".join(f"{name}={_word(value)}" for name, value in fields.items())
    print(f"{event} {words}".rstrip(), file=sys.stderr, flush=True)  # noqa: T201 - the log of an instance is its stderr


class Report:
    """Phases, facts and the failure of one start."""

    def __init__(self, path: str | None) -> None:
        self._to_output = path == OUTPUT
        self._path = Path(path) if path else None

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """``running`` now, then ``done``, or ``failed`` where it raises."""
        begun = time.monotonic()
        self._write({"phase": name, "state": "running"})
        try:
            yield
        except BaseException:
            self._write({"phase": name, "state": "failed"})
            raise
        self._write({"phase": name, "state": "done"})
        log("phase", name=name, state="done", seconds=round(time.monotonic() - begun, 3))

    def ready(self) -> None:
        self._write({"phase": "ready", "state": "done"})

    def facts(self, facts: Mapping[str, Any]) -> None:
        """What is really in force: threads, library versions, device."""
        self._write({"facts": facts})
        log("facts", **facts)

    def failure(self, failure: Mapping[str, Any]) -> None:
        self._write({"failure": failure})

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._path is None:
            return
        text = json.dumps({"at": time.time(), **line}, default=str) + "\n"
        if self._to_output:
            os.write(1, _RECORD + text.encode())  # not sys.stdout: others write there meanwhile
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(text)


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str, separators=(",", ":"))
    return json.dumps(text) if " " in text and isinstance(value, str) else text
