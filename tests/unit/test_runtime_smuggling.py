"""Requests whose end two readers could see in different places: refused, and the connection closed behind them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from runtime_kit import IRIS, Running, serving

HEAD = b"POST /eval HTTP/1.1\r\nHost: x\r\n"
HIDDEN = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
"""What is answered only where the request before it was taken to end earlier."""
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
NOTHING = b"\r\n\r\n0\r\n\r\n"
AMBIGUOUS = {
    "length and chunks": HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked" + NOTHING,
    "chunks and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4" + NOTHING,
    "two lengths": HEAD + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN),
    "one length twice": HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a list of lengths": HEAD + b"Content-Length: 2, 2\r\n\r\n{}",
    "a length with a sign": HEAD + b"Content-Length: +2\r\n\r\n{}",
    "a length below nothing": HEAD + b"Content-Length: -1\r\n\r\n",
    "a length in hex": HEAD + b"Content-Length: 0x2\r\n\r\n{}",
    "a length before a space": HEAD + b"Content-Length : 2\r\n\r\n{}",
    "an unknown encoding": HEAD + b"Transfer-Encoding: xchunked" + NOTHING,
    "an encoding before a space": HEAD + b"Transfer-Encoding : chunked" + NOTHING,
    "an encoding after an odd space": HEAD + b"Transfer-Encoding: \x0bchunked" + NOTHING,
    "an encoding on a line of its own": HEAD + b"Transfer-Encoding:\r\n chunked" + NOTHING,
    "an encoding in a folded line": HEAD + b" Transfer-Encoding: chunked" + NOTHING,
    "chunks that are not last": HEAD + b"Transfer-Encoding: chunked, identity" + NOTHING,
    "two encodings": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity" + NOTHING,
    "an encoding behind a bare CR": HEAD + b"X: a\rTransfer-Encoding: chunked" + NOTHING,
    "a line that ends in LF": HEAD + b"Content-Length: 0\nX: y\r\n\r\n",
    "a zero byte": HEAD + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a chunk's size with a prefix": CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk's size with a sign": CHUNKED + b"+2\r\n{}\r\n0\r\n\r\n",
    "a chunk's size that overflows": CHUNKED + b"10000000000000002\r\n{}\r\n0\r\n\r\n",
    "a chunk that is longer than its size": CHUNKED + b"2\r\n{}X\r\n0\r\n\r\n",
    "chunks whose lines end in LF": CHUNKED + b"2\n{}\n0\n\n",
    "a chunk's extension with an LF": CHUNKED + b"2;a\nb\r\n{}\r\n0\r\n\r\n",
}


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home: Path = tmp_path_factory.mktemp("iris")
    with serving(home, model_path=str(IRIS)) as instance:
        yield instance


@pytest.mark.parametrize("request_", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_an_ambiguous_request_hides_no_other(iris: Running, request_: bytes) -> None:
    for before in (b"", HIDDEN):
        answers = iris.raw(before + request_ + HIDDEN).split(b"HTTP/1.1 ")[1:]
        assert [answer[:3] for answer in answers] == [b"200"] * bool(before) + [b"400"]
        assert b"\r\nconnection: close\r\n" in answers[-1].lower()
