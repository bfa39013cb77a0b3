"""Call a hub's management API: JSON both ways, and its problems raised again as our errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

from mlserve.context import Address
from mlserve.errors import HubUnreachable, MlserveError, from_problem
from mlserve.transport import SAFE, Broken, NotConnected, Reply, Transport

Json = dict[str, Any]


class Management:
    """The routes of one hub; safe to share between threads. ``find`` gives its address, again where it has moved."""

    def __init__(self, find: Callable[[], Address]) -> None:
        self._find = find
        self._connect()

    def close(self) -> None:
        """Let go of this thread's connection; a later call opens another."""
        self._transport.close()

    def get(self, path: str, **query: Any) -> Json:
        """GET; members of ``query`` that are None are left out."""
        return self._json("GET", path + _query(query))

    def post(self, path: str, body: Json | None = None, *, timeout: float | None = None) -> Json:
        """POST a JSON body."""
        return self._json("POST", path, json.dumps(body or {}).encode(), "application/json", timeout)

    def put(self, path: str, data: bytes, **query: Any) -> Json:
        """PUT bytes as they are."""
        return self._json("PUT", path + _query(query), data, "application/octet-stream")

    def delete(self, path: str) -> Json:
        """DELETE."""
        return self._json("DELETE", path)

    def lines(self, path: str, **query: Any) -> Iterator[Json]:
        """GET an answer that is one JSON object a line, as they come."""
        return self._lines("GET", path + _query(query), None)

    def post_lines(self, path: str, body: Json) -> Iterator[Json]:
        """POST a JSON body, for an answer like that."""
        return self._lines("POST", path, json.dumps(body).encode())

    def _lines(self, method: str, path: str, body: bytes | None) -> Iterator[Json]:
        headers = self._headers("application/json" if body is not None else "")
        try:
            reply, lines = self._transport.stream(method, path, body=body, headers=headers)
        except OSError as exc:
            raise self._unreachable(exc) from exc
        _raise_problem(reply)
        return self._parsed(lines)

    def _parsed(self, lines: Iterator[bytes]) -> Iterator[Json]:
        try:
            for line in lines:
                if line.strip():
                    yield json.loads(line)
        except Broken as exc:
            raise self._unreachable(exc) from exc

    def _connect(self) -> None:
        self.address = self._find()
        self._transport = Transport(self.address.url)

    def _json(
        self, method: str, path: str, body: bytes | None = None, kind: str = "", timeout: float | None = None
    ) -> Json:
        reply = self._exchange(method, path, body, kind, timeout)
        _raise_problem(reply)
        if not reply.body:
            return {}
        try:
            answer = json.loads(reply.body)
        except ValueError as exc:
            raise self._unreachable(ValueError("it does not answer as a hub does")) from exc
        return answer if isinstance(answer, dict) else {"items": answer}

    def _exchange(self, method: str, path: str, body: bytes | None, kind: str, timeout: float | None) -> Reply:
        try:
            try:
                return self._transport.exchange(method, path, body=body, headers=self._headers(kind), timeout=timeout)
            except (NotConnected, Broken) as exc:
                # The local hub may have ended and come back elsewhere. What was sent is sent again only if it reads.
                if not self.address.local or (isinstance(exc, Broken) and method not in SAFE):
                    raise
                self.close()
                self._connect()
                return self._transport.exchange(method, path, body=body, headers=self._headers(kind), timeout=timeout)
        except OSError as exc:
            raise self._unreachable(exc) from exc

    def _headers(self, kind: str = "") -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.address.token}"}
        return {**headers, "Content-Type": kind} if kind else headers

    def _unreachable(self, cause: Exception) -> MlserveError:
        return HubUnreachable(
            f"the hub at {self.address.url} (from {self.address.source}) does not answer: {cause}",
            hint="mlserve hub status and mlserve doctor say more" if self.address.local else _ELSEWHERE,
        )


_ELSEWHERE = "check that it runs there, and MLSERVE_HUB or mlserve context list for the address"


def service_path(name: str, *more: str) -> str:
    """The route of a service."""
    return "/".join(["/v1/services", quote(name, safe=""), *more])


def _query(query: Json) -> str:
    given = {key: _text(value) for key, value in query.items() if value is not None and value is not False}
    return f"?{urlencode(given)}" if given else ""


def _text(value: Any) -> str:
    return "true" if value is True else str(value)


def _raise_problem(reply: Reply) -> None:
    if reply.status < 400:
        return
    try:
        problem = json.loads(reply.body)
    except ValueError:
        problem = {}
    if not isinstance(problem, dict) or "code" not in problem:
        head = reply.body[:200].decode(errors="replace")
        problem = {"detail": f"the hub answered with status {reply.status}: {head}"}
    raise from_problem(problem)
