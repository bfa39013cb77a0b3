"""Hand what happens to the watchers: picked on the event loop, looked at on a thread beside it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from mlserve.runtime.observe.exchange import Exchange, Watcher
from mlserve.runtime.observe.trace_context import Trace, child, read
from mlserve.runtime.report import log

if TYPE_CHECKING:
    from mlserve.runtime.http.request import Request
    from mlserve.runtime.metrics import Metrics

_PAUSE_SECONDS = 0.25
_MANY = 10_000
_HEAVY = 64 << 20
_SAY_AGAIN_SECONDS = 60.0
_YES = (True,)


class Observer:
    """`begin` is called on the event loop for each inference request; what it gives is filled and finished there."""

    def __init__(self, watchers: Sequence[Watcher], metrics: Metrics, sample: Callable[[], bool] | None = None) -> None:
        self._watchers = tuple(watchers)
        self._sample = sample
        """Decides which requests begin a trace; ``None``: nobody collects traces."""
        self._picked: deque[tuple[Exchange, int]] = deque()
        """With the bytes that each holds."""
        self._came = self._went = self._dropped = 0
        """Bytes that the loop has picked, and that the thread has let go; requests that were not taken."""
        self._only = self._watchers[0].wants if len(self._watchers) == 1 and sample is None else None
        self._ending = threading.Event()
        self._said: dict[str, float] = {}
        self._thread: threading.Thread | None = None
        if self._watchers:
            self._thread = threading.Thread(target=self._work, name="observer", daemon=True)
            self._thread.start()
            words = "Requests that were to be watched and were not, for too many came at once."
            metrics.counters["mlserve_watch_dropped_total"] = (words, lambda: self._dropped)

    def begin(
        self, protocol: str, method: str, path: str, headers: Mapping[bytes, bytes], received: int
    ) -> Exchange | None:
        """A request has come; ``None``: nobody wants to know about this one."""
        traced = b"traceparent" in headers
        if self._only is not None and not traced and not self._only(headers, None):
            return None  # mostly so, and quickly
        trace = read(headers) if traced else None
        if self._sample is not None:
            trace = child(trace, sampled=self._sample() if trace is None else trace.sampled)
        wanted = _YES if self._only is not None and not traced else self._wanted(headers, trace)
        if trace is None and True not in wanted:
            return None
        exchange = Exchange(self._take, protocol, method, path, headers, received)
        exchange.trace, exchange.wanted = trace, wanted
        return exchange

    def watch(self, request: Request) -> None:
        """The same for a request over HTTP, which then says itself when it is answered."""
        request.seen = self.begin("http", request.method, request.path, request.headers, len(request.body))

    def _wanted(self, headers: Mapping[bytes, bytes], trace: Trace | None) -> Sequence[bool]:
        return [watcher.wants(headers, trace) for watcher in self._watchers]

    def _take(self, exchange: Exchange) -> None:
        wanted = exchange.wanted
        if True not in wanted:
            return
        weight = exchange.received + exchange.sent
        if not any(wants and watcher.tensors for wants, watcher in zip(wanted, self._watchers, strict=True)):
            exchange.inputs = exchange.outputs = None
            weight = 0
        if len(self._picked) >= _MANY or self._came - self._went + weight > _HEAVY:
            self._dropped += 1
            return
        self._came += weight
        self._picked.append((exchange, weight))

    def close(self, seconds: float = 3.0) -> None:
        """Finish what was picked; called once the last request is answered."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _work(self) -> None:
        while not self._ending.wait(_PAUSE_SECONDS):
            self._look()
        self._look()
        for watcher in self._watchers:
            self._safely(watcher.close, type(watcher).__name__)

    def _look(self) -> None:
        """Everything picked so far. Not woken for each request: two threads would then fight for the interpreter."""
        picked = [self._picked.popleft() for _ in range(len(self._picked))]
        self._went += sum(weight for _, weight in picked)
        clock = time.time() - time.perf_counter()
        for index, watcher in enumerate(self._watchers):
            own = [exchange for exchange, _ in picked if exchange.wanted[index]]
            name = type(watcher).__name__
            if own:
                self._safely(partial(watcher.take, own, clock), name)
            self._safely(watcher.tick, name)

    def _safely(self, do: Callable[[], None], name: str) -> None:
        try:
            do()
        except Exception as exc:  # noqa: BLE001 - a full disk or a collector that is down must not end the watching
            now = time.monotonic()
            if now - self._said.get(name, -_SAY_AGAIN_SECONDS) >= _SAY_AGAIN_SECONDS:
                self._said[name] = now
                log("watching-failed", by=name.lower(), error=f"{type(exc).__name__}: {str(exc)[:300]}")
