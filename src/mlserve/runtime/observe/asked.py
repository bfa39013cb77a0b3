"""What a spec asks for besides answers: who watches, and who explains. Only what is asked for is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlserve.runtime.metrics import Metrics
    from mlserve.runtime.observe.capture import Destination
    from mlserve.runtime.observe.drift import Drift
    from mlserve.runtime.observe.exchange import Watcher
    from mlserve.runtime.observe.explain import Explainer
    from mlserve.runtime.observe.observer import Observer
    from mlserve.runtime.processors.base import Loaded, Metadata
    from mlserve.runtime.spec import Spec
    from mlserve.runtime.tensors import Array


class Asked:
    """Ready before the first request."""

    __slots__ = ("drift", "explainer", "observer", "watchers")

    def __init__(
        self,
        observer: Observer | None = None,
        explainer: Explainer | None = None,
        watchers: Sequence[Watcher] = (),
        drift: Drift | None = None,
    ) -> None:
        self.observer = observer
        self.explainer = explainer
        self.watchers = watchers
        self.drift = drift

    def state(self) -> dict[str, Any]:
        """For `describe`."""
        found = {name: value for watcher in self.watchers for name, value in watcher.state().items()}
        return found | self.explainer.state() if self.explainer is not None else found


def asked(spec: Spec, processor: Loaded, sample: Mapping[str, Array] | None, metrics: Metrics) -> Asked:
    """``sample``: inputs of a warm-up request. Raises StartFailure where what is asked can't be done."""
    metadata = processor.metadata()
    explainer = None
    if spec.explain is not None:
        from mlserve.runtime.observe.explain import Explainer

        explainer = Explainer(spec.explain, processor, metadata, sample)
    watchers: list[Watcher] = []
    begins = None
    if spec.tracing is not None:
        from mlserve.runtime.observe.tracing import Tracing

        tracing = Tracing(spec.tracing, spec.service, spec.version)
        watchers.append(tracing)
        begins = tracing.sample
    watchers += _watchers(spec)
    drift = _drift(spec, metadata, metrics)
    if drift is not None:
        watchers.append(drift)
    if not watchers and metadata.trusted:
        return Asked(None, explainer)  # a user's code may still want to know the trace it is part of
    from mlserve.runtime.observe.observer import Observer

    return Asked(Observer(watchers, metrics, begins), explainer, watchers, drift)


def _watchers(spec: Spec) -> list[Watcher]:
    found: list[Watcher] = []
    if spec.access_log:
        from mlserve.runtime.observe.access_log import AccessLog

        found.append(AccessLog())
    if spec.capture:
        from mlserve.runtime.observe.capture import Capture

        found.append(Capture(spec.capture, _destination(spec)))
    return found


def _drift(spec: Spec, metadata: Metadata, metrics: Metrics) -> Drift | None:
    wished = (spec.monitor or {}).get("drift")
    if not wished:
        return None
    from mlserve.runtime.observe.drift import Drift

    drift = Drift(wished, metadata)
    metrics.families.append(drift.families)
    return drift


def _destination(spec: Spec) -> Destination:
    to = str((spec.capture or {}).get("to") or "captures")
    if to.startswith("s3://"):
        from mlserve.runtime.observe.capture_s3 import CaptureS3

        return CaptureS3(to, spec.service, spec.version)
    from mlserve.runtime.observe.capture_folder import CaptureFolder

    return CaptureFolder(Path(to))
