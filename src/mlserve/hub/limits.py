"""What a version's descriptor says about requests: who may send them, how many, how large, and who answers else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What a version's descriptor says about its requests."""

    timeout_seconds: float = 60.0
    max_body: int = 64 * 1024 * 1024
    retry: bool = True
    health_path: str | None = None
    http2: bool = False
    open_docs: bool = False
    web: bool = False
    checks: bool = False
    """Its engine can check tokens."""
    secret: str = ""
    """By what its instances know the gateway; empty: they let everybody in who reaches them."""
    origins: tuple[str, ...] = ()
    """Whose pages may ask it from a browser."""
    rate: int = 0
    """Requests a second of the whole service; 0: any number."""
    instance_rate: int = 0
    """The same of each instance."""
    concurrency: int = 0
    """Requests at a time; 0: as many as the instances queue."""
    ports: tuple[str, ...] = ()
    """Names of further ports of its instances."""
    group: str = ""
    """The service group that it is in."""
    calls: tuple[str, ...] = ()
    """Services that its instances ask."""
    sticky: str = ""
    """By what callers stay with a version while several share the requests."""
    feedback: bool = False
    """Versions that share the requests are compared by what callers tell."""
    fallback: str = ""
    """The service that is asked where it does not answer, and when."""
    fallback_on: frozenset[str] = frozenset()

    @property
    def limited(self) -> bool:
        """The gateway holds its requests to some number."""
        return bool(self.rate or self.instance_rate or self.concurrency)


LimitsOf = Callable[[str, int], Limits]
"""Those of a service's version; of version 0, which is none, the defaults."""
