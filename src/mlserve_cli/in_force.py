"""What really serves, for a person to read: device, threads, versions, and what the instances find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_TUNING = ("inline_rows", "batch_rows", "queue")
"""Beside the threads: what was chosen from the costs measured at warm-up."""
Instance = Mapping[str, Any]


def in_force(instances: Sequence[Instance]) -> dict[str, str | None]:
    """Of the instances that are ready; where they differ, each of the differing words once."""
    ready = [instance for instance in instances if instance.get("state") == "Ready"]
    facts = [instance.get("facts") or {} for instance in ready]
    threads = [one.get("threads") or {} for one in facts]
    return {
        "device": _said(str(one.get("device") or "") for one in facts),
        "threads": _said(_pairs({k: v for k, v in one.items() if k not in _TUNING}) for one in threads),
        "batches": _said(map(_batches, threads)),
        "versions": _said(_pairs(one.get("versions") or {}) for one in facts),
        "capture": _said(map(_capture, facts)),
        "explain": _said(str((one.get("explain") or {}).get("method") or "") for one in facts),
        "drift": _said(map(_drift, ready)),
    }


def cautions(instances: Sequence[Instance]) -> list[str]:
    """What the instances themselves warn of, each once."""
    told = [warning for instance in instances for warning in (instance.get("facts") or {}).get("warnings") or ()]
    return list(dict.fromkeys(map(str, told)))


def _said(words: Any) -> str | None:
    return " · ".join(dict.fromkeys(word for word in words if word)) or None


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _batches(threads: Mapping[str, Any]) -> str:
    if "batch_rows" not in threads:
        return ""
    return f"up to {threads['batch_rows']} rows; {threads.get('queue')} requests may wait"


def _capture(facts: Mapping[str, Any]) -> str:
    capture = facts.get("capture")
    return f"{capture.get('percent'):g} % to {capture.get('to')}" if capture else ""


def _drift(instance: Instance) -> str:
    watched = (instance.get("facts") or {}).get("drift")
    if not watched:
        return ""
    found = instance.get("drift")
    if not found:
        return f"watched in {len(watched.get('columns') or ())} columns; {instance.get('id')} said nothing now"
    drifted = [
        f"{name} ({column.get('score'):.2g})"
        for name, column in found.get("columns", {}).items()
        if column.get("detected")
    ]
    verdict = f"in {', '.join(drifted)}" if drifted else "none"
    return f"{verdict} (distance from the reference in {found.get('rows')} rows, {found.get('sampled')})"
