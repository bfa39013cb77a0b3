"""Something between a client and an S3 service: it counts what is asked, damages bytes, cuts answers off.

with s3_proxy(endpoint) as proxy:
    proxy.damage = 1                       # the next body has one wrong byte
    fetch("s3://models/x", …, options=FetchOptions(endpoint=proxy.url, …))
    assert proxy.transfers == []           # nothing but a look was asked for
"""

from __future__ import annotations

import http.client
import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

FORWARDED = ("content-length", "content-range", "content-type", "etag", "last-modified", "x-amz-mp-parts-count")


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    key: str
    query: str
    range: str

    @property
    def is_transfer(self) -> bool:
        """Whether it asks for bytes of an object."""
        return self.method == "GET" and bool(self.key) and "uploadId" not in self.query


@dataclass
class S3Proxy:
    """What it is to do, and what it saw."""

    url: str = ""
    requests: list[Asked] = field(default_factory=list)
    damage: int = 0
    """How many of the next bodies get a wrong byte; -1: all."""
    cut: int = 0
    """How many of the next bodies end after half of their bytes."""
    before: Callable[[Asked], None] = lambda _: None
    """Called before a request goes on."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def transfers(self) -> list[Asked]:
        """The requests for bytes of objects."""
        return [one for one in self.requests if one.is_transfer]

    def takes(self, what: str) -> bool:
        """Whether this body is one of those to spoil."""
        with self.lock:
            left = getattr(self, what)
            setattr(self, what, max(left - 1, -1) if left > 0 else left)
            return bool(left)


@contextmanager
def s3_proxy(endpoint: str) -> Iterator[S3Proxy]:
    """A proxy until the end of the block."""
    proxy = S3Proxy()

    class Handler(_Handler):
        pass

    Handler.proxy, Handler.upstream = proxy, urlsplit(endpoint).netloc
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that hangs up is no news
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        yield proxy
        server.shutdown()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: S3Proxy
    upstream: str

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        key = unquote(path).lstrip("/").partition("/")[2]
        asked = Asked(self.command, key, query, self.headers.get("range", ""))
        self.proxy.requests.append(asked)
        self.proxy.before(asked)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            status, headers, data = self._asked_upstream(body)
        except (OSError, http.client.HTTPException):
            self.close_connection = True
            return
        self._answer(asked, status, headers, data)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def _asked_upstream(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        with closing(http.client.HTTPConnection(self.upstream, timeout=30)) as connection:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():  # with the Host that was signed
                connection.putheader(name, value)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, data

    def _answer(self, asked: Asked, status: int, headers: dict[str, str], data: bytes) -> None:
        spoilt = asked.is_transfer and status < 300 and data
        if spoilt and self.proxy.takes("damage"):
            data = data[:-1] + bytes([data[-1] ^ 1])
        self.send_response(status)
        for name in FORWARDED:
            if name in headers and name != "content-length":
                self.send_header(name, headers[name])
        length = headers.get("content-length", "0") if self.command == "HEAD" else str(len(data))
        self.send_header("content-length", length)
        self.end_headers()
        if spoilt and self.proxy.takes("cut"):
            data, self.close_connection = data[: len(data) // 2], True
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Not into the tests' output."""
