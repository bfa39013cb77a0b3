"""What an instance is told to serve: the JSON in MLSERVE_RUNTIME. Only this file reads the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mlserve.errors import InvalidInput, NotFound
from mlserve.model_config import as_object

_YES = ("1", "true", "yes", "on")
_COLLECTOR = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@dataclass(frozen=True, slots=True)
class Spec:
    """One version of one service, as the hub's engine wrote it down for this process."""

    service: str
    processor: str
    version: int = 1
    model_path: str | None = None
    """File or directory, absolute."""
    model_entry: str | None = None
    model_config: Any = None
    processor_path: str | None = None
    processor_entry: str | None = None
    warm_up_path: str | None = None
    cpu: float = 1.0
    worker_threads: int = 5
    max_queue_size: int = 64
    keepalive_ms: int = 60_000
    """How long one request may take, waiting included."""
    max_body: int = 64 << 20
    batching: bool = False
    max_batch_size: int = 16
    max_batch_timeout_ms: int = 50
    saved_versions: Mapping[str, str] = field(default_factory=dict)
    """Library versions that the model was saved with, as read from its file."""
    host: str = "127.0.0.1"
    port: int = 0
    """0: any free one; it is then in the log."""
    drain_seconds: float = 30.0
    require_safe: bool = False
    pipeline: Sequence[Mapping[str, Any]] = ()
    """Steps with absolute paths, where ``processor`` is "pipeline"."""
    memory_mb: int = 0
    """What the instance may use; 0: no limit is known."""
    gpu: float = 0
    allow_cpu: bool = False
    """Without a GPU that can be used it computes on the CPU."""
    conversion: Mapping[str, Any] | None = None
    """How the model that is served was made of the user's, as `describe` shows it."""
    capture: Mapping[str, Any] | None = None
    monitor: Mapping[str, Any] | None = None
    explain: Mapping[str, Any] | None = None
    tracing: Mapping[str, Any] | None = None
    access_log: bool = False
    max_queue_wait_ms: int | None = None
    """A request that would wait longer is refused; ``None``: its deadline."""
    access: str | None = None
    """The file that says what opens the service, as the hub keeps it; ``None``: whoever reaches it may ask."""
    report: str | None = None
    """A file that takes phases, facts and the failure as JSON lines; "-": the output; ``None``: nobody asks."""

    @property
    def config(self) -> dict[str, Any]:
        """The model's configuration."""
        return as_object(self.model_config)


def read_spec(environment: Mapping[str, str]) -> Spec:
    """The spec in MLSERVE_RUNTIME, with the port and the report file that the backend chose."""
    text = environment.get("MLSERVE_RUNTIME")
    if not text:
        raise InvalidInput(
            "MLSERVE_RUNTIME is not set, so there is nothing to serve",
            hint="the hub starts this program: mlserve create service.json, or to try it mlserve test service.json",
        )
    given = json.loads(text)
    known = {f.name for f in fields(Spec)}
    told = {key: value for key, value in given.items() if key in known and value is not None}
    told["port"] = int(environment.get("PORT") or environment.get("LISTENING_PORT") or 0)
    told["report"] = environment.get("MLSERVE_REPORT") or None
    if environment.get("MLSERVE_ACCESS_LOG", "").lower() in _YES:
        told["access_log"] = True
    if any(environment.get(name) for name in _COLLECTOR):
        told.setdefault("tracing", {})  # the library reads the address, and what else has a name of its own
    return Spec(**told)


def current_spec() -> Spec:
    """The spec of this process."""
    return read_spec(os.environ)


def get_model_path() -> Path:
    """Where the model of this service lies (file or directory); without a model, the folder of the processor itself."""
    if "MLSERVE_RUNTIME" not in os.environ:
        raise NotFound(
            "get_model_path() knows the model only inside a served instance",
            hint="run it with: mlserve test service.json",
        )
    spec = current_spec()
    place = spec.model_path or spec.processor_path
    if place is None:
        raise NotFound("this service has no model_path", hint='add "model_path" to its descriptor')
    return Path(place)
