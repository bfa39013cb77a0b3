"""What is kept of a service's requests and found in them: samples, drift, explanations, traces."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from mlserve.descriptor.base import Text, Words
from mlserve.descriptor.units import Amount, Whole


def _switch(value: Any) -> Any:
    """``true`` is an object that leaves everything as usual, ``false`` is none."""
    if isinstance(value, bool):
        return {} if value else None
    return value


def _kept_place(value: str | None) -> str | None:
    if value and "://" in value and not value.startswith("s3://"):
        raise ValueError("has to be a folder or s3://bucket/prefix")
    if value and "://" not in value and (not value.startswith("/") or ".." in value.split("/")):
        raise ValueError("has to be an absolute folder without .., or s3://bucket/prefix")
    return value


def _collector(value: str | None) -> str | None:
    if value and not value.startswith(("http://", "https://")):
        raise ValueError("has to be an address that begins with http:// or https://")
    return value


class Capture(Words):
    """A sample of requests and their answers, written down."""

    percent: Amount = Field(default=1.0, gt=0, le=100)
    """The share of requests to keep."""
    fields: tuple[str, ...] | None = None
    """Inputs and outputs that are kept as they are; every other one is written as "***". Unset: all are kept."""
    to: Annotated[Text, AfterValidator(_kept_place)] = None
    """A folder on the instance's machine, or s3://bucket/prefix; unset: the captures folder of the hub's home."""


class Drift(Words):
    """Compare what comes with a sample of what the model was trained on."""

    reference: str = Field(min_length=1)
    """The sample: a CSV, JSON lines or .npz file, as a path or an address."""
    fields: tuple[str, ...] | None = None
    """Inputs (or columns of one) to watch; unset: every number."""
    threshold: Amount = Field(default=0.01, gt=0, lt=1)
    """How unlikely a difference has to be by chance before it is called drift."""
    window: Whole = Field(default=500, ge=20, le=1_000_000)
    """How many of the newest rows are compared."""


class Monitor(Words):
    """What is watched while the service serves."""

    drift: Drift | None = None
    """Whether inputs still look as they did in training."""


class Explain(Words):
    """POST /explain: how much each input counted for an answer."""

    method: Literal["auto", "tree", "linear", "permutation", "kernel"] = "auto"
    """The SHAP explainer; auto takes the exact one where the model has one."""
    background: Text = None
    """Rows to compare with: a CSV, JSON lines or .npz file; unset: the drift reference, else the warm-up data."""
    samples: Whole = Field(default=100, ge=1, le=10_000)
    """The most rows of the background that are used."""


class Tracing(Words):
    """OpenTelemetry spans of requests."""

    endpoint: Annotated[Text, AfterValidator(_collector)] = None
    """The OTLP/HTTP address to send to; unset: OTEL_EXPORTER_OTLP_ENDPOINT of processor_envs."""
    percent: Amount = Field(default=100.0, ge=0, le=100)
    """The share of requests to trace that come without a decision of the caller's own."""


Explained = Annotated[Explain | None, BeforeValidator(_switch, json_schema_input_type=Explain | bool | None)]
