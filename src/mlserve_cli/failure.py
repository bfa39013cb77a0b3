"""A failure record as text, the same after ``create`` as from ``why``. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

LOG_LINES = 40


def render(record: Mapping[str, Any]) -> str:
    """Phase, reason, the user's own frames, versions, memory, probes, the last log lines, what to try."""
    return "\n".join([*_head(record), *_frames(record), *_facts(record), *_log(record), *_try(record)])


def _head(record: Mapping[str, Any]) -> Iterator[str]:
    instance = f" instance {record['instance']}" if record.get("instance") else ""
    yield f"{record.get('service', '')} version {record.get('version', '?')}{instance}"
    yield f"  phase     {record.get('phase', 'unknown')} ({record.get('cause', 'unknown')})"
    yield f"  reason    {record.get('reason', '')}"
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
    if exception := record.get("exception"):
        yield f"  {exception.get('type')}: {exception.get('message')}"


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


def _log(record: Mapping[str, Any]) -> Iterator[str]:
    lines = list(record.get("log") or [])[-LOG_LINES:]
    if lines:
        yield f"  last {len(lines)} log lines"
        yield from (f"    {line}" for line in lines)


def _try(record: Mapping[str, Any]) -> Iterator[str]:
    if record.get("hint"):
        yield f"  try       {record['hint']}"
