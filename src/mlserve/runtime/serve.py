"""The life of an instance: listen, load, warm up, ready, drain, end."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import traceback
from dataclasses import replace
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

from mlserve.runtime.app import App
from mlserve.runtime.failures import StartFailure, explain, running_versions
from mlserve.runtime.http.limits import Limits
from mlserve.runtime.http.listener import HttpServer, Rpc
from mlserve.runtime.http.request import Request
from mlserve.runtime.loading import load
from mlserve.runtime.metrics import Metrics
from mlserve.runtime.observe.asked import Asked, asked
from mlserve.runtime.processors.base import Loaded
from mlserve.runtime.protocols.base import Model
from mlserve.runtime.report import Report, log
from mlserve.runtime.scheduling.dispatch import Dispatcher
from mlserve.runtime.scheduling.plan import Plan
from mlserve.runtime.scheduling.profile import plan
from mlserve.runtime.scheduling.watchdog import Health, health
from mlserve.runtime.signature import Signature
from mlserve.runtime.spec import Spec
from mlserve.runtime.warm_up import warm_up

START_FAILED, HUNG = 70, 71
_LAME_DUCK = 0.3
_BODIES_SHARE = 4
_BACKLOG = 1024


def run(spec: Spec) -> int:
    """Serve until SIGTERM; the exit status: 0, 70 for a start that failed, 71 for a processor that hangs."""
    gc.disable()  # nearly everything that is made before ready stays: looking through it over and over finds nothing
    return _new_loop().run_until_complete(Instance(spec).live())


class Instance:
    """One running copy."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._report = Report(spec.report)
        self._metrics = Metrics(spec.service, spec.version)
        self._app = App(spec, self._metrics)
        if spec.access is not None:
            from mlserve.runtime.access.gate import Gate  # what checks signatures takes a moment

            self._app.gate = Gate(Path(spec.access), spec.service)
        self._http = HttpServer(
            self._app.handle, Limits(body=spec.max_body, bodies=(spec.memory_mb << 20) // _BODIES_SHARE)
        )
        self._http.rpc, self._http.websocket = cache(self._rpc), self._websocket
        self._stop = asyncio.Event()
        self._health = Health.GOOD
        self._warnings: list[str] = []

    async def live(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        listener = await self._listen()
        if listener is None:
            return START_FAILED
        ticking = loop.create_task(self._tick())
        starting = loop.run_in_executor(None, self._start)
        stopping = loop.create_task(self._stop.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            return 0  # stopped while loading: nothing was accepted yet
        failed = starting.result()
        if isinstance(failed, int):
            return failed
        self._open(*failed)
        await stopping
        if self._health is Health.HUNG:
            return HUNG  # the supervisor starts another one
        await self._drain()
        listener.close()
        self._http.close()
        ticking.cancel()
        return 0

    async def _listen(self) -> asyncio.Server | None:
        """The port is open from the start, so that a question for its health has an answer; None: it is taken."""
        try:
            listener = await asyncio.get_running_loop().create_server(
                self._http, self._spec.host, self._spec.port, backlog=_BACKLOG
            )
        except OSError as exc:
            failure = StartFailure(
                "port-not-open", f"port {self._spec.port} can't be opened: {exc}", "it is taken; try again"
            )
            self._report.failure({**explain(failure, self._spec, "load"), "retryable": True})
            log("failed", reason=failure.reason)
            return None
        port = listener.sockets[0].getsockname()[1]
        log("listening", service=self._spec.service, version=self._spec.version, port=port)
        return listener

    def _rpc(self) -> Rpc:
        from mlserve.runtime.grpc.service import Service  # takes a moment, and not every instance is asked so

        return Service(self._app, self._spec, self._metrics)

    def _websocket(self, transport: Any, request: Request, rest: bytes) -> bool:
        if self._app.refusal(request) is not None:
            return False  # it is told so in HTTP
        from mlserve.runtime.websocket.conversation import Conversations  # as above

        wished = Conversations(self._http, self._app, self._metrics, self._spec.keepalive_ms / 1000)
        return wished.begin(transport, request, rest)

    def _start(self) -> tuple[Loaded, Model, Plan, Asked] | int:
        """Load and warm up, on a thread, so that liveness answers meanwhile."""
        phase = "load"
        try:
            with self._report.phase("load"):
                processor = load(self._spec, self._metrics)
                model = Model(
                    self._spec.service, self._spec.version, Signature(processor.metadata()), self._spec.config
                )
            phase = "warm-up"
            with self._report.phase("warm-up"):
                sample = warm_up(processor, model, self._spec.warm_up_path, self._warnings.append)
                model = replace(model, example=sample, watched=_watched(self._spec))
                planned = plan(processor, model.signature, self._spec, sample)
                wished = asked(self._spec, processor, sample, self._metrics)
        except BaseException as exc:  # noqa: BLE001 - whatever it is, it becomes the failure record
            traceback.print_exception(exc)
            self._report.failure(explain(exc, self._spec, phase))
            return START_FAILED
        return processor, model, planned, wished

    def _open(self, processor: Loaded, model: Model, planned: Plan, wished: Asked) -> None:
        self._app.serve(model, Dispatcher(processor, model.signature.metadata, planned, self._metrics), wished)
        facts = _facts(processor, planned, self._spec, self._warnings)
        self._report.facts({**facts, **wished.state(), **({"checks_tokens": True} if self._app.gate else {})})
        gc.freeze()
        gc.enable()
        self._app.ready = True
        self._report.ready()
        log("ready", service=self._spec.service, version=self._spec.version)

    async def _drain(self) -> None:
        """Not ready; finish what was accepted, and what still comes until nothing comes any more."""
        self._app.ready = False
        self._http.draining = True
        end = monotonic() + max(0.0, self._spec.drain_seconds - 0.5)
        log("draining", in_flight=self._app.in_flight)
        quiet_since = monotonic()
        while monotonic() < end and monotonic() - quiet_since < _LAME_DUCK:
            seen = self._http.requests
            await asyncio.sleep(0.02)
            if self._http.busy or self._app.in_flight or self._http.requests != seen:
                quiet_since = monotonic()
        if self._app.observer is not None:
            await asyncio.get_running_loop().run_in_executor(
                None, self._app.observer.close, min(3.0, self._spec.drain_seconds)
            )
        log("stopped", lost=self._app.in_flight)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._http.limits.tick)
            self._http.tick()
            if self._app.dispatcher is not None:
                self._look_after(self._app.dispatcher)

    def _look_after(self, dispatcher: Dispatcher) -> None:
        dispatcher.sequences.tick()
        stuck = dispatcher.queue.stuck
        now, before = health(stuck, self._spec.keepalive_ms / 1000), self._health
        if now is before or self._stop.is_set():
            return
        self._health, self._app.ready = now, now is Health.GOOD
        log("slots", health=now.value, busy=dispatcher.queue.running, overdue_seconds=round(stuck, 1))
        if now is Health.HUNG:
            self._stop.set()


def _facts(processor: Loaded, planned: Plan, spec: Spec, warnings: list[str]) -> dict[str, Any]:
    own = dict(processor.metadata().facts or {})
    if warnings:
        own["warnings"] = [*own.get("warnings", ()), *warnings]
    threads = {
        **own.pop("threads", {}),
        "workers": planned.slots,
        "inline_rows": planned.costs.short_rows,
        "batch_rows": planned.batch_rows,
        "queue": planned.waiting,
    }
    versions = {"python": sys.version.split()[0], **running_versions(spec.saved_versions), **own.pop("versions", {})}
    converted = {"conversion": dict(spec.conversion)} if spec.conversion else {}
    return {"threads": threads, "versions": versions, "device": own.pop("device", "cpu"), **own, **converted}


def _watched(spec: Spec) -> frozenset[str]:
    wished = {"explain": spec.explain is not None, "drift": bool(spec.monitor and spec.monitor.get("drift"))}
    return frozenset(name for name, is_wished in wished.items() if is_wished)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # not on every platform; slower, and otherwise the same
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
