"""Why something failed, as a record that outlives it: what ``mlserve why`` tells. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlserve.backends.base import Instance
from mlserve.backends.evidence import Evidence
from mlserve.errors import BuildFailed, EnvironmentFailed, FetchFailed, MlserveError, NoCapacity, ResourceUnavailable
from mlserve.hub.causes import Story, story_of

GATES_FAILED = "release-failed"
"""The cause of a version that the gates of its release refused."""


def of_instance(instance: Instance, evidence: Evidence, *, resources: Mapping[str, Any], at: float) -> dict[str, Any]:
    """The failure record of an instance that ended, from what its backend knows of its death."""
    story = story_of(evidence, resources) or Story(
        "unknown", "the instance ended and left no trace", f"mlserve logs {instance.service} shows its output"
    )
    reported = evidence.get("report_failure") or {}
    return _record(
        service=instance.service,
        version=instance.version,
        instance=instance.id,
        phase=story.phase or reported.get("phase") or evidence.get("phase") or _phase(instance),
        story=story,
        at=at,
        exception=reported.get("exception"),
        frames=list(reported.get("frames") or ()),
        versions=dict(reported.get("versions") or {}),
        exit=evidence.get("exit"),
        memory=evidence.get("memory"),
        probes=list(evidence.get("probes") or ()),
        log=list(evidence.get("log") or ())[-40:],
    )


def of_error(service: str, version: int, phase: str, error: MlserveError, *, at: float) -> dict[str, Any]:
    """The failure record of a version that could not even be prepared."""
    causes = {FetchFailed: "fetch-failed", EnvironmentFailed: "environment-failed", NoCapacity: "no-capacity"}
    causes |= {ResourceUnavailable: "resource-unavailable", BuildFailed: "build-failed"}
    cause = next((detail["cause"] for detail in error.details if "cause" in detail), None)
    cause = (
        cause or causes.get(type(error)) or {"fetch": "missing-model", "verify": "corrupt-model"}.get(phase, "unknown")
    )
    if any(detail.get("code") == "missing" for detail in error.details):
        cause = "missing-model"
    if "no space left" in error.message.lower() or any(d.get("code") == "disk-full" for d in error.details):
        cause = "disk-full"
    log = [str(line) for detail in error.details for line in detail.get("log", ())]
    return _record(
        service=service,
        version=version,
        instance=None,
        phase=phase,
        story=Story(cause, error.message, error.hint, retryable=cause in ("fetch-failed", "disk-full", "no-capacity")),
        at=at,
        log=log[-40:],
    )


def of_crash(service: str, version: int, phase: str, error: BaseException, *, at: float) -> dict[str, Any]:
    """The failure record of a phase that ended with a mistake of our own."""
    told = MlserveError(
        f"{phase} ended with {type(error).__name__}: {error}",
        hint="mlserve hub logs has the traceback; please report it",
    )
    return of_error(service, version, phase, told, at=at)


def of_silence(service: str, version: int, answer: str, *, at: float) -> dict[str, Any]:
    """The failure record of a version whose instances are ready but which does not answer through the gateway."""
    story = Story(
        "probe-failed",
        f"the instances are up, but a request through the gateway was not answered: {answer}",
        "ask the instance at its own address (mlserve instances shows it); mlserve doctor checks the gateway",
        retryable=True,
    )
    return _record(service=service, version=version, instance=None, phase="probe", story=story, at=at)


def of_release(
    service: str, version: int, reason: str, differing: Sequence[str] = (), *, judged: bool = True, at: float
) -> dict[str, Any]:
    """The failure record of a version that its release gave up though it runs; ``differing``: some of its answers.

    Not ``judged``: no gate spoke against it, somebody aborted it or it did not get the room for its instances.
    """
    hint = f"mlserve release status {service} has the figures of both versions"
    if differing:
        hint += (
            "; a model that was trained anew differs a little in every number: "
            '"tolerance" in release.gates allows it, "ignore" leaves fields such as probabilities out'
        )
    story = Story(GATES_FAILED if judged else "release-ended", reason, hint, retryable=True)
    return _record(
        service=service, version=version, instance=None, phase="release", story=story, answers=list(differing), at=at
    )


def of_absence(service: str, version: int, resource: str, trouble: str, at: float) -> dict[str, Any]:
    """The record of a service whose resource group can't be asked: nobody knows how its instances are."""
    story = Story(
        "resource-unavailable",
        f'the resource group "{resource}" is away: {trouble}',
        f"mlserve resource describe {resource} shows when it is back; what is wished meanwhile is done then",
        retryable=True,
    )
    return _record(service=service, version=version, instance=None, phase="serve", story=story, at=at)


def _record(
    *, service: str, version: int, instance: str | None, phase: str, story: Story, at: float, **rest: Any
) -> dict[str, Any]:
    empty: dict[str, Any] = {
        "exception": None,
        "frames": [],
        "exit": None,
        "memory": None,
        "probes": [],
        "versions": {},
        "log": [],
        "answers": [],
    }
    told = {
        "phase": phase,
        "cause": story.cause,
        "reason": story.reason,
        "hint": story.hint,
        "retryable": story.retryable,
    }
    return {"service": service, "version": version, "instance": instance, **told, **empty, **rest, "at": at}


def _phase(instance: Instance) -> str:
    if instance.ready_at is not None:
        return "serve"
    return str(instance.phases[-1]["phase"]) if instance.phases else "load"
