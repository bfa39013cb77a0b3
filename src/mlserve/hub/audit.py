"""Each change that somebody asks of the management API becomes an event, whatever its route; reading does not."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlserve.errors import MlserveError
from mlserve.hub.events import HUB, Event, Events

log = logging.getLogger("mlserve.hub")

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_HARMLESS = re.compile(r"/v1/(validate|content/.*|uploads/kept)")
_SERVICE = re.compile(r"/v1/(?:services|groups)/(?P<name>[^/]+)(?:/(?P<verb>.+))?")
"""Or a group: no service has its name."""
_OTHER = re.compile(r"/v1/(?P<noun>[a-z]+?)s?(?:/(?P<rest>.+))?")
_MOST = 1 << 20
"""Bytes of an answer that is looked into."""


def deed(method: str, path: str) -> tuple[str, str] | None:
    """Whom a request is about (`HUB` where it is no one service, "" where the answer says) and what it does."""
    if method in _READS or _HARMLESS.fullmatch(path):
        return None
    if path == "/v1/services":
        return "", "create"
    if service := _SERVICE.fullmatch(path):
        return service["name"], (service["verb"] or method.lower()).replace("/", " ")
    if other := _OTHER.fullmatch(path):
        verb = {"POST": "" if other["rest"] else "create", "DELETE": "remove"}.get(method, method.lower())
        return HUB, " ".join(filter(None, (other["noun"], verb, other["rest"])))
    return None


@dataclass
class _Heard:
    """What was answered."""

    status: int = 0
    body: bytearray = field(default_factory=bytearray)

    def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif len(self.body) <= _MOST:
            self.body += message.get("body", b"")

    def told(self) -> Mapping[str, Any]:
        try:
            said = json.loads(self.body) if len(self.body) <= _MOST else {}
        except ValueError:
            return {}
        return said if isinstance(said, dict) else {}


class Audit:
    """Stands before the guard, so that it hears of refusals too; a stranger without any token leaves no trace."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        done = deed(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if done is None:
            await self._app(scope, receive, send)
            return
        heard = _Heard()

        async def hearing(message: Message) -> None:
            heard.take(message)
            if not message.get("more_body") and message["type"] == "http.response.body":
                self._keep(scope, done, heard)  # before the answer's end: whoever has it can read the event
            await send(message)

        await self._app(scope, receive, hearing)

    def _keep(self, scope: Scope, done: tuple[str, str], heard: _Heard) -> None:
        events: Events | None = getattr(scope["app"].state, "events", None)
        caller = scope.get("state", {}).get("caller")
        told = heard.told()
        name, what = done[0] or str(told.get("name", "")), done[1]
        refused = heard.status >= 400
        if events is None or caller is None or not name or told.get("trial"):
            return
        if refused and not (name == HUB or events.knows(name)):
            return  # anybody could make up names
        address = (scope.get("client") or ("",))[0]
        detail = str(told.get("detail") or "") if refused else detail_of(told)
        outcome = "refused" if refused else "done"
        event = Event(time.time(), caller.id, what, caller.label, address, detail, outcome)
        try:
            events.add(name, event)
        except MlserveError as exc:  # what was asked is done; a full disk tells itself to the next wish
            log.error("event=audit-failed service=%s what=%r reason=%r", name, what, exc.message)


def detail_of(told: Mapping[str, Any]) -> str:
    """What came of it, in a few words."""
    wished = told.get("wished")
    if isinstance(wished, dict):
        instances = "1 instance" if wished.get("instances") == 1 else f"{wished.get('instances')} instances"
        return f"version {wished.get('version')}, {instances}"
    if "scopes" in told and "services" in told:
        return f"{told.get('id')}: {', '.join(told['scopes'])} of {', '.join(told['services'])}"
    return str(told.get("name") or told.get("signing") or "")
