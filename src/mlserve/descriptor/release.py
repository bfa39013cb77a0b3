"""The release part of a descriptor: how requests move from the version that serves to the next one."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from mlserve.descriptor.base import Words
from mlserve.descriptor.units import Amount, Seconds, Whole, number

_PERCENT = re.compile(r"\d{1,3}(\.\d{1,3})?%")


def _share(value: Any) -> Any:
    if isinstance(value, str):
        text = value.strip()
        if text.isdecimal():
            return int(text)
        if not _PERCENT.fullmatch(text) or float(text[:-1]) > 100:
            raise ValueError('is no number of instances: write 1, or "25%"')
        return text
    return number(value)


Share = Annotated[
    Annotated[int, Field(ge=0, le=1000)] | str,
    BeforeValidator(_share),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "examples": ["25%"]}]}),
]


STICKY = re.compile(r"(header|cookie):(?!(?i:authorization)$)[A-Za-z0-9_-]{1,100}")
"""By what callers are told apart. A token is none of it: that is the gateway's business, and is written nowhere."""


def _sticky(value: str) -> str:
    if not STICKY.fullmatch(value):
        raise ValueError("is nothing to stick to: header:x-user, or cookie:visitor")
    return value


class ReleaseStep(Words):
    """A share of the requests for the new version, and how long it is looked at."""

    weight: Whole = Field(ge=1, le=100)
    """Percent of the requests."""
    pause: Annotated[Seconds, Field(ge=0, le=2_592_000)] | None = None
    """How long: seconds, or "5m"; without it until `mlserve release promote`."""


class ReleaseGates(Words):
    """What the new version has to keep to; else the old one gets all requests back."""

    max_error_percent: Annotated[Amount, Field(ge=0, le=100)] | None = None
    """The most of its requests that may be answered with 500 or above."""
    max_p95_ratio: Annotated[Amount, Field(gt=0, le=1000)] | None = None
    """Its p95 by that of the old version, over the same time."""
    max_different_percent: Annotated[Amount, Field(ge=0, le=100)] | None = None
    """The most of its answers that may be others than the old version's: a sample of the requests is asked both."""
    tolerance: Amount = Field(default=1e-3, ge=0, le=1)
    """What two numbers may differ by, of the larger one; less than a millionth never counts. Whole numbers and texts
    are the same or not."""
    ignore: tuple[str, ...] = ()
    """Fields of answers that are not compared, such as times and ids: by name, or by JSON pointer."""
    min_requests: Whole = Field(default=20, ge=1, le=1_000_000)
    """Requests that a step needs before it is judged, and answers before they are."""


class Release(Words):
    """How a new version takes over. A first version just starts."""

    strategy: Literal["rolling", "blue_green", "canary", "recreate"] | None = None
    """Instance by instance, all at once, in steps, or with a gap; without it canary where there are steps, rolling
    where there is metadata.rolling_strategy, else blue_green."""
    steps: Annotated[tuple[ReleaseStep, ...], Field(max_length=64)] = ()
    """Of a canary: shares of the requests, each larger than the one before; 20 % for a minute where there are none."""
    gates: ReleaseGates | None = None
    """Checked while the new version takes requests."""
    keep: Annotated[Seconds, Field(ge=0, le=2_592_000)] | None = None
    """How long the old instances stay after a blue_green or canary, for an instant roll-back: ten minutes, or "1h"."""
    sticky: Annotated[str, AfterValidator(_sticky)] | None = None
    """While versions share the requests: header:NAME or cookie:NAME, by which the same caller stays with one."""
    feedback: bool = False
    """Callers tell at the address's /feedback how answers turned out; `mlserve ab` then compares both versions."""
    timeout: Annotated[Seconds, Field(gt=0, le=2_592_000)] = 600.0
    """How long beyond its pause a step may wait until its instances are ready and its gates are judged."""


class RollingStrategy(Words):
    """Of a rolling release: how many instances may be more or less meanwhile."""

    max_surge: Share = "2%"
    """Instances beyond the wished number: 1, or "25%" rounded up. (EAS's default)"""
    max_unavailable: Share = 0
    """Instances that may be missing meanwhile: 1, or "25%" rounded down."""
