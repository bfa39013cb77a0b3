"""How much one connection may ask of the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes and seconds; the tests use smaller ones."""

    head: int = 64 << 10
    """Request line and headers."""
    body: int = 64 << 20
    bodies: int = 0
    """What bodies of all requests in work may hold together; 0: not counted."""
    pipeline: int = 64
    """Requests of one connection that wait for their turn before the socket is read no more."""
    idle_seconds: float = 75.0
    """A kept connection without a request; above Envoy's own 60 s, so that Envoy closes first."""
    head_seconds: float = 30.0
    """From the first byte of a request to its last header."""
    body_seconds: float = 30.0
    """Without one more byte of the body."""
    write_seconds: float = 60.0
    """Without the client reading any of its reply."""
    linger_seconds: float = 10.0
    """Reading on after a refusal, so that the client gets to see the reply."""
    tick: float = 0.5
    """How often connections are looked at."""
