"""The causes an instance dies of: evidence → cause, reason, hint. A new cause is a rule here. Pure."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlserve.backends.evidence import Evidence, only_inside, where_it_listens
from mlserve.hub.hardening import bound


@dataclass(frozen=True, slots=True)
class Story:
    """What happened, in one sentence, and what to do next."""

    cause: str
    reason: str
    hint: str
    retryable: bool = False
    phase: str | None = None


def story_of(evidence: Evidence, resources: Mapping[str, Any]) -> Story | None:
    """What the first rule that knows this evidence tells; None where no rule does."""
    return next((story for rule in _RULES if (story := rule(evidence, resources))), None)


def _out_of_memory(evidence: Evidence, resources: Mapping[str, Any]) -> Story | None:
    if not evidence.get("oom"):
        return None
    memory = evidence.get("memory") or {}
    limit = memory.get("limit_mb") or resources.get("memory_mb") or 0
    peak = f", its peak was {memory['peak_mb']:.0f} MB" if memory.get("peak_mb") else ""
    needed = int(max(limit * 2, (memory.get("peak_mb") or 0) * 1.5, 256))
    return Story(
        "out-of-memory",
        f"out of memory: the instance was ended at its limit of {limit:.0f} MB (metadata.memory){peak}",
        f"give it more, for instance --set metadata.memory={needed}, or load less",
        retryable=True,
    )


def _reported(evidence: Evidence, _: Mapping[str, Any]) -> Story | None:
    told = evidence.get("report_failure")
    if not told:
        return None
    return Story(
        told.get("cause", "unknown"),
        told.get("reason", "the program reported a failure"),
        told.get("hint", ""),
        retryable=bool(told.get("retryable", False)),
    )


def _hung(evidence: Evidence, _: Mapping[str, Any]) -> Story | None:
    if not evidence.get("hung"):
        return None
    return Story(
        "probe-failed",
        "the instance lived but answered no health request, so it was ended",
        "look for code that blocks the whole process (a lock, a busy loop, a call that never returns)",
        retryable=True,
        phase="serve",
    )


def _not_started(evidence: Evidence, _: Mapping[str, Any]) -> Story | None:
    problem = evidence.get("not_started")
    if not problem:
        return None
    if "code" in problem:
        cause, retryable = problem["code"] or "not-started", not problem.get("lasting", False)
        return Story(cause, f"the container could not be started: {problem['error']}", problem["hint"], retryable)
    return Story(
        "bad-entry",
        f"the program {problem.get('path')} could not be started: {problem.get('error')}",
        "check the first word of command, that it is installed here, and that this user may run it",
    )


def _slow_start(evidence: Evidence, _: Mapping[str, Any]) -> Story | None:
    if not evidence.get("startup_timeout"):
        return None
    seconds = f"within {float(evidence.get('startup_seconds') or 0):g} s (startup_timeout)"
    sockets, where = evidence.get("listening"), where_it_listens(evidence)
    if sockets and only_inside(evidence):
        hint = "let it listen on 0.0.0.0: what is bound to 127.0.0.1 in a container can't be reached from outside"
        return Story("wrong-address", f"the program was not reachable {seconds}: it {where}", hint, phase="probe")
    if sockets:
        hint = "set port to where it listens, or let the program listen where the variable PORT says"
        return Story("wrong-port", f"the program was not reachable {seconds}: it {where}", hint, phase="probe")
    if sockets is not None and evidence.get("phase") in (None, "probe"):
        hint = "let it listen on 127.0.0.1 at the port in the variable PORT, or set a longer startup_timeout"
        return Story("port-not-open", f"the program {where} {seconds}", hint, phase="probe")
    hint = "set a longer startup_timeout, or see in the log what it waits for"
    doing = {"load": ": it was still loading", "warm-up": ": it was still warming up"}.get(
        str(evidence.get("phase")), ""
    )
    return Story("startup-timeout", f"the instance was not ready {seconds}{doing}", hint)


def _taken_along(evidence: Evidence, _: Mapping[str, Any]) -> Story | None:
    if not evidence.get("engine_gone"):
        return None
    return Story(
        "engine-gone",
        "the Docker engine that ran it stopped or was restarted, and took it along",
        "see why on its machine: journalctl -u docker; with live-restore in its daemon.json instances outlive it",
        retryable=True,
        phase="serve",
    )


def _removed(evidence: Evidence, _: Mapping[str, Any]) -> Story | None:
    if not evidence.get("removed"):
        return None
    return Story(
        "container-removed",
        "its container was removed by somebody else",
        "mlserve stop or delete ends a service for good; docker rm does not",
        retryable=True,
    )


def _restarted(evidence: Evidence, _: Mapping[str, Any]) -> Story | None:
    if not evidence.get("restarted"):
        return None
    return Story(
        "container-restarted",
        "its container was restarted by somebody else",
        "mlserve restart does it one instance after the other, with none missing meanwhile",
        retryable=True,
        phase="serve",
    )


def _signalled(evidence: Evidence, _: Mapping[str, Any]) -> Story | None:
    number = (evidence.get("exit") or {}).get("signal")
    if not number:
        return None
    name = number if isinstance(number, str) else signal.Signals(number).name
    who = evidence.get("container", "the program")
    hints = {
        "SIGSEGV": "a native library crashed: check that its version fits the model and this machine's processor",
        "SIGILL": "a native library uses instructions that this machine's processor lacks: install another build",
        "SIGKILL": "somebody ended it, or this machine ran out of memory (dmesg tells): set metadata.memory to hold it",
    }
    return Story(
        "killed-by-signal",
        f"{who} was ended by signal {name}",
        hints.get(name, "see its last log lines"),
        retryable=True,
    )


def _exited(evidence: Evidence, known: Mapping[str, Any]) -> Story | None:
    status = (evidence.get("exit") or {}).get("status")
    if status is None:
        return None
    log = "\n".join(map(str, evidence.get("log") or ()))
    if re.search(r"no space left on device", log, re.IGNORECASE):
        return Story(
            "disk-full",
            "the disk is full: the program could not write",
            "free some disk and start the service again",
            retryable=True,
        )
    if status == 127:
        who = f" of {evidence['container']}" if "container" in evidence else ""
        hint = "check the first word of command, and that it is installed there"
        return Story("bad-entry", f"the command{who} was not found", hint)
    missing = re.search(r"ModuleNotFoundError: No module named '([^']+)'", log)
    if missing:
        name = missing[1].split(".")[0]
        return Story(
            "missing-library",
            f'the library "{name}" is missing',
            f'add the line "{name}" to requirements.txt beside the program',
        )
    if re.search(r"address already in use", log, re.IGNORECASE):
        return Story(
            "wrong-port",
            "the port the program wants is taken",
            "let the program listen where the variable PORT says",
            retryable=True,
        )
    if "own_image" in known and (told := bound(log, own_image=bool(known["own_image"]))):
        return Story("denied", *told, retryable=True)
    who = evidence.get("container", "the program")
    return Story("exited", f"{who} ended by itself with exit status {status}", "see its last log lines", retryable=True)


_RULES: tuple[Callable[[Evidence, Mapping[str, Any]], Story | None], ...] = (
    _out_of_memory,
    _reported,
    _not_started,
    _hung,
    _slow_start,
    _taken_along,
    _removed,
    _restarted,
    _signalled,
    _exited,
)
