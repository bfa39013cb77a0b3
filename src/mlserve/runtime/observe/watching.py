"""Which watchers a spec asks for. Only what is asked for is imported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlserve.runtime.observe.observer import Observer

if TYPE_CHECKING:
    from mlserve.runtime.metrics import Metrics
    from mlserve.runtime.observe.capture import Place
    from mlserve.runtime.observe.exchange import Watcher
    from mlserve.runtime.processors.base import Metadata
    from mlserve.runtime.spec import Spec


@dataclass(frozen=True, slots=True)
class Watching:
    """The watchers before the first request."""

    watchers: tuple[Watcher, ...]
    observer: Observer

    def state(self) -> dict[str, Any]:
        """For `describe`."""
        return {name: value for watcher in self.watchers for name, value in watcher.state().items()}


def watching(spec: Spec, metadata: Metadata, metrics: Metrics) -> Watching | None:
    """``None``: nobody asks. Raises StartFailure where what is asked can't be done."""
    watchers: list[Watcher] = []
    sample = None
    if spec.tracing is not None:
        from mlserve.runtime.observe.tracing import Tracing

        tracing = Tracing(spec.tracing, spec.service, spec.version)
        watchers.append(tracing)
        sample = tracing.sample
    if spec.access_log:
        from mlserve.runtime.observe.access_log import AccessLog

        watchers.append(AccessLog())
    if spec.capture:
        from mlserve.runtime.observe.capture import Capture

        watchers.append(Capture(spec.capture, _place(spec)))
    if (spec.monitor or {}).get("drift"):
        from mlserve.runtime.observe.drift import Drift

        drift = Drift((spec.monitor or {})["drift"], metadata)
        metrics.families.append(drift.families)
        watchers.append(drift)
    if not watchers and metadata.trusted:
        return None  # a user's code may still want to know the trace it is part of
    return Watching(tuple(watchers), Observer(watchers, metrics, sample))


def _place(spec: Spec) -> Place:
    to = str((spec.capture or {}).get("to") or "captures")
    if to.startswith("s3://"):
        from mlserve.runtime.observe.capture_s3 import CaptureS3

        return CaptureS3(to, spec.service, spec.version)
    from mlserve.runtime.observe.capture_folder import CaptureFolder

    return CaptureFolder(Path(to))
