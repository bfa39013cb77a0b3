"""Replies in parts over HTTP: chunks, HTTP/1.0, slow and leaving clients, errors before and after the first part."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from runtime_kit import Running, processor, read_all, serving, until

from mlserve.runtime.http.limits import Limits
from mlserve.runtime.http.listener import HttpServer
from mlserve.runtime.http.request import Request

ASK = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


class Program:
    """/three has three parts, /never some and no end, /flood as many as the client takes."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.written = self.drained = self.gone = 0

    def __call__(self, request: Request) -> None:
        self.asked.append(request)
        if request.path == "/plain":
            request.reply(200, b"plain")
            return
        request.on_gone, request.on_drain = self._gone, self._drain
        request.begin(200, b"text/plain")
        if request.path == "/flood":
            self._flood()
            return
        for part in (b"one", b"two", b"three"):
            assert request.write(part)
        if request.path == "/three":
            request.end()

    def _flood(self) -> None:
        while self.asked[-1].write(bytes(65536)):
            self.written += 1

    def _drain(self) -> None:
        self.drained += 1
        if self.drained < 5:
            self._flood()
        else:
            self.asked[-1].end()

    def _gone(self) -> None:
        self.gone += 1


Story = Callable[[Program, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def told(story: Story) -> None:
    async def main() -> None:
        program = Program()
        server = HttpServer(program, Limits())
        listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
        async with asyncio.timeout(20):
            await story(program, reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        server.close()
        listener.close()
        await listener.wait_closed()

    asyncio.run(main())


def test_parts_are_chunks_and_the_connection_goes_on() -> None:
    async def story(program: Program, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ASK % b"/three" + ASK % b"/plain")
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"transfer-encoding: chunked\r\n" in head
        assert b"content-length" not in head
        assert await reader.readuntil(b"0\r\n\r\n") == b"3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"
        assert (await reader.readuntil(b"plain")).endswith(b"content-length: 5\r\n\r\nplain")

    told(story)


def test_http_1_0_gets_them_until_the_connection_ends() -> None:
    async def story(program: Program, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /three HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert b"chunked" not in head
        assert b"connection: close" in head
        assert body == b"onetwothree"

    told(story)


def test_who_does_not_read_is_waited_for_and_gets_all() -> None:
    async def story(program: Program, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ASK % b"/flood")
        await asyncio.sleep(0.1)
        before = program.written
        assert before < 1000
        await reader.readuntil(b"\r\n\r\n")
        got = 0
        while (size := int(await reader.readline(), 16)) > 0:
            got += len(await reader.readexactly(size))
            await reader.readexactly(2)
        assert program.drained == 5
        assert got >= program.written * 65536

    told(story)


def test_a_client_that_leaves_is_noticed_by_the_parts_it_does_not_take() -> None:
    async def story(program: Program, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ASK % b"/never")
        await reader.readuntil(b"three\r\n")
        writer.transport.abort()
        while not program.gone:
            program.asked[0].write(b"more")
            await asyncio.sleep(0.001)
        program.asked[0].write(b"more")
        program.asked[0].end()

    told(story)


TALKING = """
import time
class P:
    def metadata(self):
        text = {"name": "text", "type": "string", "shape": [1]}
        return {"inputs": [text], "outputs": [text]}
    def predict(self, inputs):
        said = str(inputs["text"][0])
        if said == "bad":
            raise ValueError("before the first")
        try:
            for n in range(1_000_000 if said == "long" else 3):
                if said == "half" and n == 2:
                    raise ValueError("after the second")
                yield {"text": [f"{said} {n}"]}
                time.sleep(0.01)
        finally:
            print("closed", said, flush=True)
"""


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home: Path = tmp_path_factory.mktemp("talking")
    with serving(home, processor="python", service="own", processor_path=processor(home, TALKING)) as instance:
        yield instance


def ask(instance: Running, said: str) -> bytes:
    body = json.dumps({"text": said}).encode()
    path = b"/v2/models/own/generate_stream"
    return b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (path, len(body), body)


def test_each_answer_is_an_event(talking: Running) -> None:
    answer = talking.raw(ask(talking, "hello"))
    assert b"content-type: text/event-stream" in answer
    assert answer.count(b"data: ") == 3
    assert answer.endswith(b"0\r\n\r\n")


def test_an_error_before_the_first_answer_has_its_own_status(talking: Running) -> None:
    answer = talking.raw(ask(talking, "bad"))
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"before the first" in answer


def test_an_error_after_it_is_the_last_event(talking: Running) -> None:
    answer = talking.raw(ask(talking, "half"))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"after the second" in answer
    assert answer.endswith(b"0\r\n\r\n")


def test_a_generator_is_closed_when_its_client_has_gone(talking: Running) -> None:
    with talking.connect() as client:
        client.sendall(ask(talking, "long"))
        assert b"200 OK" in client.recv(4096)
    until(lambda: "closed long" in talking.log, talking)
    assert b'"text":["hello' in read_all_of(talking, "hello")


def read_all_of(instance: Running, said: str) -> bytes:
    """The answer that is no stream, from an instance that is well."""
    with instance.connect() as client:
        body = json.dumps({"text": [said]}).encode()
        client.sendall(
            b"POST /eval HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        return read_all(client)
