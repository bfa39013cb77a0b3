"""Ask a service's instances without the gateway, which only tells where they are.

The list is asked for again every few seconds while requests are made, beside them; where nobody tells, the last one
stays. An instance that is about to end says so in its answers, and is asked no more while there is another.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from mlserve.errors import InvalidInput, MlserveError, NotFound
from mlserve.transport import NO_HEADERS, Broken, NotConnected, Reply, Transport

UPSTREAMS = "/exported/apis/eas.alibaba-inc.k8s.io/v1/upstreams"
"""Where the gateway tells, as EAS's does."""
_FRESH = 3.0
_ASKING = 5.0
_ASIDE = 1.0
_FOR_GOOD = float("inf")
_DRAINING, _OVERLOADED = "x-mlserve-draining", "x-mlserve-overloaded"


@dataclass(eq=False, slots=True)
class _Instance:
    """One of them, while it is on the list. ``weight``: how often, beside the others."""

    transport: Transport
    weight: int
    in_flight: int = 0
    aside_until: float = 0.0


@dataclass(frozen=True, slots=True)
class _List:
    """What the gateway told. ``twice``: a request may run twice."""

    weights: Mapping[str, int] = field(default_factory=dict)
    twice: bool = True


class Direct:
    """The instances of one service; asked as a `Transport` is, and as safe to share. ``gateway``: its address.

    Each request goes to the one that has the fewest of ours, in proportion to their weights; to another one where that
    did not take it, or was lost over it and the service allows requests to run twice.
    """

    def __init__(self, gateway: str, service: str, *, timeout: float = 60.0) -> None:
        self._service, self._timeout = service, timeout
        self._gateway = Transport(gateway, timeout=_ASKING)
        self._lock = threading.Lock()
        self._instances: dict[str, _Instance] = {}
        self._twice = True
        self._due = 0.0
        self._asking = False
        self._ask()

    def exchange(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] = NO_HEADERS
    ) -> Reply:
        """Ask one of them.

        Raises NotConnected where none could answer and it may be sent again, Broken where it must not.
        """
        self._look()
        tried: set[_Instance] = set()
        refused: Reply | None = None
        why = f"no instance of {self._service} is known"
        while (instance := self._next(tried)) is not None:
            tried.add(instance)
            try:
                with self._counted(instance):
                    reply = instance.transport.exchange(method, path, body=body, headers=headers)
            except (NotConnected, Broken) as exc:
                self._put_aside(instance, time.monotonic() + _ASIDE)
                if isinstance(exc, Broken) and not self._may_repeat(exc):
                    raise
                why = str(exc)  # the error itself would keep this very frame, and so the connection
                continue
            if _DRAINING in reply.headers:
                self._put_aside(instance, _FOR_GOOD)
            if reply.status != 503 or _OVERLOADED not in reply.headers:
                return reply
            refused = reply
        if refused is not None:
            return refused
        self._due = 0.0  # whoever asks again gets a new list
        raise NotConnected(why)

    def close(self) -> None:
        """Let go of this thread's connections."""
        for instance in self._known():
            instance.transport.close()
        self._gateway.close()

    def _may_repeat(self, exc: Broken) -> bool:
        """An instance that takes too long may well go on: to have another do the same helps neither."""
        return self._twice and not isinstance(exc.__cause__, TimeoutError)

    def _known(self) -> Sequence[_Instance]:
        with self._lock:
            return tuple(self._instances.values())

    def _next(self, tried: Collection[_Instance]) -> _Instance | None:
        left = [instance for instance in self._known() if instance not in tried]
        now = time.monotonic()
        well = [instance for instance in left if instance.aside_until <= now] or left
        return _least_busy(well) if well else None

    @contextmanager
    def _counted(self, instance: _Instance) -> Iterator[None]:
        with self._lock:
            instance.in_flight += 1
        try:
            yield
        finally:
            with self._lock:
                instance.in_flight -= 1

    def _put_aside(self, instance: _Instance, until: float) -> None:
        instance.aside_until = max(instance.aside_until, until)
        self._due = min(self._due, time.monotonic() + 0.1)  # it may be on its way out of the list

    # the list

    def _look(self) -> None:
        """Have the list asked for beside this request, where it is old; wait for it where there is none."""
        with self._lock:
            if self._asking or time.monotonic() < self._due:
                return
            self._asking, none = True, not self._instances
        if none:
            self._ask_quietly()
        else:
            threading.Thread(target=self._ask_quietly, name="mlserve-instances", daemon=True).start()

    def _ask_quietly(self) -> None:
        try:
            self._ask()
        except MlserveError:
            pass  # nobody tells just now, or the service is gone: its instances will say so themselves
        finally:
            self._asking = False

    def _ask(self) -> None:
        try:
            reply = self._gateway.exchange("GET", f"{UPSTREAMS}/{self._service}")
        except OSError:
            self._due = time.monotonic() + _FRESH
            return
        self._due = time.monotonic() + _FRESH
        self._take(_told(self._service, reply))

    def _take(self, told: _List) -> None:
        if not told.weights:
            return  # a moment without any, or a gateway that has just started: those we know may well be there
        with self._lock:
            for address, weight in told.weights.items():
                known = self._instances.get(address)
                if known is None:
                    self._instances[address] = _Instance(Transport(f"http://{address}", timeout=self._timeout), weight)
                else:
                    known.weight = weight
            for address in self._instances.keys() - told.weights.keys():
                del self._instances[address]
            self._twice = told.twice


def _least_busy(instances: Sequence[_Instance]) -> _Instance:
    if len({instance.weight for instance in instances}) > 1:
        shares = [instance.weight / (1 + instance.in_flight) for instance in instances]
        return random.choices(instances, shares)[0]  # noqa: S311 - chance, no secret
    least = min(instance.in_flight for instance in instances)
    return random.choice([each for each in instances if each.in_flight == least])  # noqa: S311


def _told(service: str, reply: Reply) -> _List:
    """The gateway's answer; raises NotFound, InvalidInput where the service can't be asked so, MlserveError."""
    try:
        said = json.loads(reply.body)
        if reply.status == 200:
            items = said["endpoints"]["items"]
            return _List(
                {f"{item['ip']}:{int(item['port'])}": int(item["weight"]) for item in items}, said.get("retry", True)
            )
        words, hint = str(said["error"]), str(said.get("hint", ""))
    except (ValueError, KeyError, TypeError) as exc:
        raise MlserveError(
            f"the gateway does not say where the instances of {service} are: {reply.status}",
            hint="is it mlserve's? ask without direct=True",
        ) from exc
    if reply.status == 404:
        raise NotFound(f'no service "{service}" answers at this gateway', hint="mlserve list shows the services")
    raise (InvalidInput if reply.status == 403 else MlserveError)(words, hint=hint)
