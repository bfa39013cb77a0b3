"""The W3C trace context of a request: read, made, and known to the code that works for the request."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_LONGEST_STATE = 8192


@dataclass(frozen=True, slots=True)
class Trace:
    """Where in a trace a request is. ``span`` is what its own calls of others have as their parent."""

    identity: str
    """32 hexadecimal digits."""
    span: str
    """16 of them."""
    sampled: bool
    state: str = ""
    parent: str = ""
    """The caller's span, ``""`` where the trace begins here."""

    def headers(self) -> dict[str, str]:
        """What to send with a call of another service, so that it appears in the same trace."""
        told = {"traceparent": f"00-{self.identity}-{self.span}-{'01' if self.sampled else '00'}"}
        return told | {"tracestate": self.state} if self.state else told


_current: ContextVar[Trace | None] = ContextVar("mlserve_trace", default=None)


def current_trace() -> Trace | None:
    """The trace of the request that is being answered; ``None``: it has none, or the call serves several requests."""
    return _current.get()


@contextmanager
def within(trace: Trace | None) -> Iterator[None]:
    """The current trace, for as long as this lasts."""
    token = _current.set(trace)
    try:
        yield
    finally:
        _current.reset(token)


def read(headers: Mapping[bytes, bytes]) -> Trace | None:
    """The caller's trace, passed through as it is; ``None`` where none came, or what came can't be read."""
    parent = headers.get(b"traceparent")
    found = _PARENT.fullmatch(parent.strip()) if parent else None
    if found is None or found[1] == b"ff" or not found[2].strip(b"0") or not found[3].strip(b"0"):
        return None
    if found[5] and found[1] == b"00":
        return None  # version 00 has four parts, and no more
    state = headers.get(b"tracestate", b"")[:_LONGEST_STATE].decode("latin-1")
    caller = found[3].decode()
    return Trace(found[2].decode(), caller, bool(int(found[4], 16) & 1), state, caller)


def child(caller: Trace | None, *, sampled: bool) -> Trace:
    """A span of our own below the caller's, or a new trace."""
    span = f"{random.getrandbits(64):016x}"
    if caller is None:
        return Trace(f"{random.getrandbits(128):032x}", span, sampled)
    return Trace(caller.identity, span, sampled, caller.state, caller.parent)
