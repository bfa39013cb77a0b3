"""The models inside a service: what its program answers when it is asked for them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from mlserve.errors import InvalidInput, RequestFailed
from mlserve.hub.models import models


@contextmanager
def answering(status: int, body: bytes) -> Iterator[dict[str, Any]]:
    """A service of one instance that answers everything so."""

    class Program(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Program) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            instance = {"id": "it-1", "state": "Ready", "address": f"127.0.0.1:{server.server_port}"}
            yield {"name": "it", "status": "Running", "instances": [instance]}
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "body"), [(404, b"nothing here"), (405, b""), (400, b'{"error": "a number"}'), (200, b"<h1>A page</h1>")]
)
def test_a_program_that_knows_nothing_of_models_is_told_as_one(status: int, body: bytes) -> None:
    with answering(status, body) as service, pytest.raises(InvalidInput, match="does not list its models") as refused:
        asyncio.run(models(service))
    assert "Triton" in refused.value.hint


@pytest.mark.parametrize(("status", "word"), [(403, "This API is restricted"), (500, "out of order")])
def test_a_server_that_refuses_says_so_in_its_own_words(status: int, word: str) -> None:
    body = json.dumps({"error": word}).encode()
    with answering(status, body) as service, pytest.raises(RequestFailed, match=f"{status} {word}"):
        asyncio.run(models(service))


def test_what_is_listed_is_shown() -> None:
    with answering(200, b'[{"name": "a", "version": "1", "state": "READY"}]') as service:
        assert [(row["name"], row["state"]) for row in asyncio.run(models(service))] == [("a", "READY")]
