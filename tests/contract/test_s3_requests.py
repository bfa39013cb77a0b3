"""Bytes of objects are asked for by a request of our own, and by boto3 where a service does not take that."""

from __future__ import annotations

import hashlib
import http.server
import random
import threading
from pathlib import Path
from typing import ClassVar

import pytest
from tests.contract.s3_kit import KEYS, code_of, no_credentials_around

from mlserve.errors import FetchFailed
from mlserve.storage import FetchOptions, fetch
from mlserve.storage.partial import PIECE
from mlserve.storage.s3.proof import Running

__all__ = ["no_credentials_around"]

DATA = random.Random(6).randbytes(PIECE + 5)


class Choosy(http.server.BaseHTTPRequestHandler):
    """Gives its one object to those whom it likes, and notes whether boto3 asked."""

    protocol_version = "HTTP/1.1"
    likes_boto3: ClassVar[bool] = True
    asked: ClassVar[list[bool]]

    def do_HEAD(self) -> None:
        self._answer(200, DATA)

    def do_GET(self) -> None:
        by_boto3 = "Boto3" in self.headers["user-agent"]
        type(self).asked.append(by_boto3)
        first, last = map(int, self.headers["range"].removeprefix("bytes=").split("-"))
        if by_boto3 and self.likes_boto3:
            self._answer(206, DATA[first : last + 1])
        else:
            self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")

    def _answer(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("etag", f'"{hashlib.md5(DATA).hexdigest()}"')
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Not into the tests' output."""


@pytest.mark.parametrize("likes_boto3", [True, False])
def test_a_service_that_refuses_our_own_request_is_asked_by_boto3(likes_boto3: bool, tmp_path: Path) -> None:
    class Handler(Choosy):
        pass

    Handler.likes_boto3, Handler.asked = likes_boto3, []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        wanted = FetchOptions(endpoint=f"http://127.0.0.1:{server.server_port}", credentials=KEYS)
        try:
            if likes_boto3:
                assert fetch("s3://models/m", tmp_path / "d", options=wanted).read_bytes() == DATA
                assert Handler.asked == [False, True, True], "refused once, it asks the second piece by boto3"
            else:
                with pytest.raises(FetchFailed) as caught:
                    fetch("s3://models/m", tmp_path / "d", options=wanted)
                assert code_of(caught) == "denied"
                assert Handler.asked == [False, True]
        finally:
            server.shutdown()


def test_a_digest_taken_while_bytes_come_is_only_given_where_all_came_in_turn() -> None:
    in_turn, gone_on_with = Running(), Running()
    for start in range(0, 10, 4):
        in_turn.add(start, b"0123456789"[start : start + 4])
    gone_on_with.add(4, b"456789")
    assert in_turn.digest(10) == hashlib.md5(b"0123456789").digest()
    assert in_turn.digest(11) == b""
    assert gone_on_with.digest(10) == b""
