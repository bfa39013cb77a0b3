"""A release for a person to read, once or as it goes."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from typing import Any

from mlserve.client.releases import Releases
from mlserve.client.tables import text_table
from mlserve_cli import report
from mlserve_cli.differences import examples, summary
from mlserve_cli.render import properties

_ENDED = ("done", "failed")
_LOOK_SECONDS = 0.5
_COLUMNS = ("version", "role", "weight", "requests", "errors", "p95_ms")


def shown(status: Mapping[str, Any]) -> str:
    """Where it is, and both versions side by side."""
    release = status["release"]
    kept = status.get("kept")
    facts = {
        "name": status["name"],
        "strategy": release["strategy"],
        "state": release["state"],
        "step": _steps(release),
        "gates": _gates(release["gates"]),
        "answers": summary(release["answers"]),
        "waits for": release["gate"],
        "reason": release["reason"],
        "kept": f"version {kept['version']} until {kept['until']}" if kept else None,
    }
    rows = [
        [f"{side[name]} %" if name == "weight" else side[name] for name in _COLUMNS] for side in release["versions"]
    ]
    parts = [properties(facts), text_table(_COLUMNS, rows), examples(release["answers"])]
    return "\n\n".join(filter(None, parts))


def watch(releases: Releases) -> Mapping[str, Any]:
    """Show it until it has ended: in place on a terminal, else a line for each change."""
    last = ""
    while True:
        status = releases.status()
        ended, text = status["release"]["state"] in _ENDED, line(status)
        if sys.stderr.isatty():
            # A line that wraps could not be written over; what is shown at the end takes its place.
            sys.stderr.write("\r\033[K" + ("" if ended else text[: shutil.get_terminal_size().columns - 1]))
            sys.stderr.flush()
        elif text != last and not ended:
            report.note(text)
        if ended:
            return status
        last = text
        time.sleep(_LOOK_SECONDS)


def under_way(service: Mapping[str, Any]) -> tuple[str, str, str, str] | None:
    """A release that has not ended, as one line of what a service goes through: who, what, how, detail."""
    release = service.get("release")
    if not release or release["state"] in _ENDED:
        return None
    new = release["versions"][1]
    # A rolling release moves on with each instance; the others by steps, and the one they are at is what counts.
    share = new["weight"] if release["strategy"] == "rolling" else release["target_weight"]
    return "release", f"{release['strategy']} to version {new['version']}, {share} %", release["state"], ""


def line(status: Mapping[str, Any]) -> str:
    """Where it is, in a line."""
    release = status["release"]
    sides = ", ".join(f"v{side['version']} {side['weight']} %{_counted(side)}" for side in release["versions"])
    waits = f"; {release['gate']}" if release["gate"] else ""
    return f"{status['name']} {release['strategy']}{_step(release)} {release['state']}: {sides}{waits}"


def _counted(side: Mapping[str, Any]) -> str:
    if side["requests"] is None:
        return ""
    p95 = "" if side["p95_ms"] is None else f", p95 {side['p95_ms']:g} ms"
    return f" ({side['errors']} of {side['requests']} failed{p95})"


def _step(release: Mapping[str, Any]) -> str:
    if not release["steps"]:
        return ""
    return " to 100 %" if _past_the_last(release) else f" {release['step']}/{len(release['steps'])}"


def _steps(release: Mapping[str, Any]) -> str | None:
    if not release["steps"]:
        return None
    told = [f"{step['weight']} %" for step in release["steps"]]
    passed = ", passed: now to 100 %" if _past_the_last(release) else ""
    return f"{release['step']} of {len(told)} ({', '.join(told)}){passed}"


def _past_the_last(release: Mapping[str, Any]) -> bool:
    return release["state"] not in _ENDED and release["target_weight"] == 100 > int(release["steps"][-1]["weight"])


def _gates(gates: Mapping[str, Any] | None) -> str | None:
    if not gates:
        return None
    told = {
        "errors at most {} %": gates["max_error_percent"],
        "p95 at most {} times the old": gates["max_p95_ratio"],
        "other answers at most {} %": gates["max_different_percent"],
        "from {} requests on": gates["min_requests"],
    }
    return ", ".join(text.format(f"{value:g}") for text, value in told.items() if value is not None)
