"""A failure record as text, the same after ``create`` as from ``why``. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from mlserve_cli.tracebacks import without_tracebacks

LOG_LINES = 40


def render(record: Mapping[str, Any], *, said: str = "") -> str:
    """Phase, reason, the user's own frames, versions, memory, probes, the last log lines, what to try.

    What was ``said`` beside it, with the hint, is left out.
    """
    what = [*_head(record, said), *_frames(record), *_facts(record), *_answers(record), *_log(record)]
    return "\n".join([*what, *_try(record, said)])


def _head(record: Mapping[str, Any], said: str) -> Iterator[str]:
    instance = f" instance {record['instance']}" if record.get("instance") else ""
    yield f"{record.get('service', '')} version {record.get('version', '?')}{instance}"
    yield f"  phase     {record.get('phase', 'unknown')} ({record.get('cause', 'unknown')})"
    if not (reason := str(record.get("reason", ""))) or reason not in said:
        yield f"  reason    {reason}"
    if record.get("at"):
        yield f"  at        {_moment(record['at'])}"


def _moment(at: Any) -> str:
    if isinstance(at, int | float):
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(at)


def _frames(record: Mapping[str, Any]) -> Iterator[str]:
    for frame in record.get("frames") or []:
        yield f"  {frame.get('file')}:{frame.get('line')} in {frame.get('function')}"
        if frame.get("code"):
            yield f"      {frame['code']}"
    exception = _exception(record)
    if exception and " ".join(exception.split()) not in str(record.get("reason", "")):
        yield f"  {exception}"


def _exception(record: Mapping[str, Any]) -> str:
    exception = record.get("exception") or {}
    return f"{exception.get('type')}: {exception.get('message')}" if exception else ""


def _facts(record: Mapping[str, Any]) -> Iterator[str]:
    if ended := record.get("exit"):
        how = f"signal {ended['signal']}" if ended.get("signal") else f"exit status {ended.get('status')}"
        yield f"  ended     {how}"
    if memory := record.get("memory"):
        yield f"  memory    {memory.get('peak_mb')} MB at its peak, limit {memory.get('limit_mb')} MB"
    versions = record.get("versions") or {}
    saved, running = versions.get("saved") or {}, versions.get("running") or {}
    for package in sorted({*saved, *running}):
        yield f"  {package}: saved with {saved.get(package, 'unknown')}, runs {running.get(package, 'not installed')}"
    for probe in record.get("probes") or []:
        yield f"  probe     {'ok' if probe.get('ok') else 'failed'} {probe.get('detail', '')}"


def _answers(record: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"  differs   {line}" for line in record.get("answers") or [])


def _log(record: Mapping[str, Any]) -> Iterator[str]:
    told = " ".join(f"{record.get('reason', '')} {_exception(record)}".split())
    lines = without_tracebacks([str(line) for line in record.get("log") or []], told)[-LOG_LINES:]
    if lines:
        yield f"  last {len(lines)} log lines" if lines[1:] else "  last log line"
        yield from (f"    {line}" for line in lines)


def _try(record: Mapping[str, Any], said: str) -> Iterator[str]:
    if record.get("hint") and str(record["hint"]) not in said:
        yield f"  try       {record['hint']}"
