"""Speak HTTP with one server: connections kept alive, one for each thread. The only file that knows http.client."""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

Body = bytes | None
NO_HEADERS: Mapping[str, str] = {}
SAFE = ("GET", "HEAD")
"""Methods that change nothing and may be sent again."""


class NotConnected(OSError):
    """No connection could be made: nothing was sent, so that trying again is safe."""


class Broken(OSError):
    """The connection ended before the answer was complete; the request may or may not have been carried out."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """HTTP and HTTPS to one address; safe to share between threads.

    ``timeout`` is seconds without any byte from the server, not of the whole exchange.
    """

    def __init__(self, url: str, *, timeout: float = 60.0) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not an http(s) address: {url}")
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._secure else 80)
        self._prefix = parts.path.rstrip("/")
        self._timeout = timeout
        self._local = threading.local()

    def exchange(
        self,
        method: str,
        path: str,
        *,
        body: Body = None,
        headers: Mapping[str, str] = NO_HEADERS,
        timeout: float | None = None,
    ) -> Reply:
        """Send a request and read the whole answer. Raises NotConnected, Broken."""
        connection, used = self._connection()
        try:
            response = self._send(connection, method, path, body, headers, timeout)
        except Broken:
            if not used or method not in SAFE:
                raise
            # The server closed a connection that had been idle just as this request was on its way.
            self.close()
            response = self._send(self._connection()[0], method, path, body, headers, timeout)
        try:
            return Reply(response.status, _lower(response), response.read())
        except (OSError, http.client.HTTPException) as exc:
            self.close()
            raise Broken(str(exc) or type(exc).__name__) from exc

    def stream(
        self, method: str, path: str, *, body: Body = None, headers: Mapping[str, str] = NO_HEADERS
    ) -> tuple[Reply, Iterator[bytes]]:
        """Send a request and give the answer's lines as they come; waits for the next one without a time limit.

        An answer that isn't 200 is read whole: the lines are then empty.
        """
        connection = self._connect()
        response = self._send(connection, method, path, body, headers, None)
        if response.status != 200:
            reply = Reply(response.status, _lower(response), response.read())
            connection.close()
            return reply, iter(())
        if connection.sock is not None:
            connection.sock.settimeout(None)
        return Reply(200, _lower(response), b""), _lines(connection, response)

    def close(self) -> None:
        """Let go of this thread's connection."""
        self._local.kept = None

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        """This thread's connection, and whether it was used before."""
        kept: _Kept | None = getattr(self._local, "kept", None)
        if kept is not None and kept.connection.sock is not None and not _ended(kept.connection.sock):
            return kept.connection, True
        self.close()
        kept = self._local.kept = _Kept(self._connect())
        return kept.connection, False

    def _connect(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection
        if self._secure:
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=context)
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as exc:
            connection.close()
            raise NotConnected(
                f"{self._host}:{self._port}: its certificate is not trusted here ({exc.verify_message});"
                " SSL_CERT_FILE names a file of those that are"
            ) from exc
        except OSError as exc:
            connection.close()
            raise NotConnected(f"{self._host}:{self._port}: {exc.strerror or exc}") from exc
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: Body,
        headers: Mapping[str, str],
        timeout: float | None,
    ) -> http.client.HTTPResponse:
        connection.sock.settimeout(timeout or self._timeout)
        try:
            with suppress(BrokenPipeError, ConnectionResetError):
                # A server that refuses a large body answers before it has read it all: its answer says why.
                connection.request(method, self._prefix + path, body=body, headers=dict(headers))
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as exc:
            connection.close()
            raise Broken(str(exc) or type(exc).__name__) from exc


class _Kept:
    """A thread's connection, closed when the thread or the transport goes away."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self.connection = connection

    def __del__(self) -> None:
        self.connection.close()


def _ended(sock: socket.socket) -> bool:
    # An idle connection has nothing to say: readable means that the other side has closed it.
    with suppress(ValueError):
        readable, _, _ = select.select([sock], [], [], 0)
        return bool(readable)
    return True


def _lower(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _lines(connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        for line in response:
            yield line.rstrip(b"\n")
    except (OSError, http.client.HTTPException) as exc:
        raise Broken(str(exc) or type(exc).__name__) from exc
    finally:
        connection.close()
