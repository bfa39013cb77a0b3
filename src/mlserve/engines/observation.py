"""What a descriptor wishes besides answers (samples, drift, explanations, traces), as an instance is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from mlserve.descriptor import Descriptor
from mlserve.engines.base import Artifacts, Launch
from mlserve.engines.constants import constants

_FOLDER = Path(__file__).parent.parent / "runtime" / "observe"
_S3 = "s3://"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def requirements(descriptor: Descriptor) -> tuple[str, ...]:
    """The packages of the options that a descriptor sets."""
    return tuple(requirement for name in _asked(descriptor) for requirement in declared(name))


def observed(descriptor: Descriptor, artifacts: Artifacts, launch: Launch) -> dict[str, Any]:
    """The options as the runtime takes them; files and folders are absolute paths."""
    capture, monitor, explain = descriptor.capture, descriptor.monitor, descriptor.explain
    reference = artifacts.at("/monitor/drift/reference")
    told: dict[str, Any] = {"access_log": descriptor.access_log}
    if capture:
        told["capture"] = {**capture.model_dump(), "to": capture.to or launch.captures}
    if monitor and monitor.drift:
        told["monitor"] = {"drift": {**monitor.drift.model_dump(), "reference": reference}}
    if explain:
        background = artifacts.at("/explain/background") or reference
        told["explain"] = {**explain.model_dump(), "background": background}
    if descriptor.tracing:
        told["tracing"] = descriptor.tracing.model_dump()
    return told


def _asked(descriptor: Descriptor) -> Iterator[str]:
    """The files of the runtime that do what is asked."""
    if descriptor.tracing or any(env.name in _ENDPOINTS for env in descriptor.processor_envs):
        yield "tracing"
    if descriptor.monitor and descriptor.monitor.drift:
        yield "drift"
    if descriptor.explain:
        yield "explain"
    if descriptor.capture and (descriptor.capture.to or "").startswith(_S3):
        yield "capture_s3"


@cache
def declared(name: str) -> tuple[str, ...]:
    """The constant REQUIREMENTS of one of those files."""
    return tuple(constants(_FOLDER / f"{name}.py", ("REQUIREMENTS",)).get("REQUIREMENTS", ()))
