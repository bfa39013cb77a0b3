"""What is known of the death of an instance, as data. Pure: no I/O, no clock.

Evidence is a mapping; every key may be missing, and means then that there is nothing to say:

=================  ==================================================================================================
at                 when it ended, seconds since the epoch
exit               ``{"status": 3}`` or ``{"signal": 9}``; missing where nobody was there to see it
oom                true: killed because it used more memory than its limit
memory             ``{"limit_mb", "peak_mb"}``; a limit of None is no limit
report_failure     what the program itself reported: ``{cause, reason, hint, retryable, exception, frames, versions}``
not_started        ``{"errno", "error", "path"}``: the program could not even be started; of an engine's refusal
                   ``{"code", "error", "hint", "path", "lasting"}``, ``path`` being the image
engine_gone        true: the engine that ran it went away, and took it along
removed            true: its container was removed by somebody else
restarted          true: somebody else stopped and started its container
container          which of several containers ended first, in words
inside             true: ``listening`` is what a container sees, which nobody reaches at its own 127.0.0.1
probes             the last 20 looks whether it was ready: ``{"at", "ok", "detail", "times"}``
log                its last 40 lines
listening          ``[{"address", "port"}]``: where its processes listened when the time to start was over
declared_port      the port its descriptor names, where there is one
taken_by           who else listens on the declared port: a process or an instance, in words
startup_timeout    true: killed because it was not ready within ``startup_seconds``
startup_seconds    that time
hung               true: killed because it no longer answered
stopped            true: it was told to stop
phase              what it was doing: ``load``, ``warm-up``, ``probe``, ``serve``
=================  ==================================================================================================
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from typing import Any

Evidence = Mapping[str, Any]

_LOOPBACK = ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]")
_LASTING = {2: "not there", 13: "not permitted", 8: "not a program this machine can run"}


def reason(evidence: Evidence) -> str:
    """The death in a few words: the first thing of the list above that explains it."""
    for explain in (_reported, _not_started, _out_of_memory, _hung, _too_slow, _taken_along, _ended):
        words = explain(evidence)
        if words:
            return words
    return "ended while nobody was there to see how"


def retryable(evidence: Evidence) -> bool:
    """False when the same start can't go better the next time."""
    failure = evidence.get("report_failure")
    if failure:
        return bool(failure.get("retryable", False))
    if "lasting" in evidence.get("not_started", {}):
        return not evidence["not_started"]["lasting"]
    if "not_started" in evidence:
        return evidence["not_started"].get("errno") not in _LASTING
    return not evidence.get("startup_timeout")


def where_it_listens(evidence: Evidence) -> str:
    """The port question in words: ``listens on 127.0.0.1:5000, descriptor says 8080``; empty when nobody asked."""
    declared, sockets = evidence.get("declared_port"), evidence.get("listening")
    if sockets is None:
        return ""
    taken = f"; port {declared} is taken by {evidence['taken_by']}" if evidence.get("taken_by") else ""
    if not sockets:
        return "opened no port" + taken
    seen = ", ".join(f"{socket['address']}:{socket['port']}" for socket in sockets)
    if only_inside(evidence):
        return f"listens on {seen}, which nobody outside its container reaches"
    wanted = f"descriptor says {declared}" if declared else "PORT in its environment says otherwise"
    return f"listens on {seen}, {wanted}{taken}"


def only_inside(evidence: Evidence) -> bool:
    """Whether all it listens on is its container's own loopback address."""
    sockets = evidence.get("listening") or ()
    return bool(evidence.get("inside")) and all(socket["address"] in _LOOPBACK for socket in sockets)


def collapse(
    probes: Sequence[Mapping[str, Any]], probe: Mapping[str, Any], most: int = 20
) -> tuple[Mapping[str, Any], ...]:
    """The history with one more probe; one that says the same as the last only counts it up."""
    if probes and (probes[-1]["ok"], probes[-1]["detail"]) == (probe["ok"], probe["detail"]):
        return (*probes[:-1], {**probes[-1], "times": probes[-1]["times"] + 1})
    return (*probes, {**probe, "times": 1})[-most:]


def _reported(evidence: Evidence) -> str:
    failure = evidence.get("report_failure") or {}
    return str(failure.get("reason") or failure.get("cause") or "")


def _not_started(evidence: Evidence) -> str:
    problem = evidence.get("not_started")
    if problem and "code" in problem:
        return f"could not be started: {problem['error']}"
    return f"could not be started: {problem.get('path')}: {problem.get('error')}" if problem else ""


def _out_of_memory(evidence: Evidence) -> str:
    if not evidence.get("oom"):
        return ""
    memory = evidence.get("memory", {})
    return f"out of memory: limit {memory.get('limit_mb')} MB, peak {memory.get('peak_mb')} MB"


def _hung(evidence: Evidence) -> str:
    return "no longer answered and was killed" if evidence.get("hung") else ""


def _too_slow(evidence: Evidence) -> str:
    if not evidence.get("startup_timeout"):
        return ""
    where = where_it_listens(evidence)
    return f"not ready within {evidence.get('startup_seconds', 0):g} s" + (f": {where}" if where else "")


def _taken_along(evidence: Evidence) -> str:
    return "ended together with the engine that ran it" if evidence.get("engine_gone") else ""


def _ended(evidence: Evidence) -> str:
    ended = evidence.get("exit")
    if not ended:
        return "its container was removed by somebody else" if evidence.get("removed") else ""
    who = f"{evidence['container']} " if evidence.get("container") else ""
    if "signal" in ended:
        return f"{who}killed by signal {ended['signal']} ({_signal_name(ended['signal'])})"
    return f"{who}exited with status {ended['status']}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
