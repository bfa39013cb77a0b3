"""HTTP to a small real server: keep-alive, broken connections, problems, lines, what predictors make of answers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from mlserve.context import Address
from mlserve.errors import (
    Conflict,
    Denied,
    HubUnreachable,
    InvalidInput,
    MlserveError,
    NotFound,
    RequestFailed,
    from_problem,
    to_problem,
)
from mlserve.management import Management
from mlserve.predictor import Predictor
from mlserve.transport import Broken, NotConnected, Transport


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    connections: set[object]

    def setup(self) -> None:
        super().setup()
        self.server.seen.add(self.client_address)  # type: ignore[attr-defined]

    def do_GET(self) -> None:
        if self.path == "/break":
            self.close_connection = True
        elif self.path == "/lines":
            self._answer(200, b'{"n": 1}\n{"n": 2}\n', "application/x-ndjson")
        elif self.path == "/conflict":
            self._answer(
                409, json.dumps(to_problem(Conflict("taken", hint="another"))).encode(), "application/problem+json"
            )
        elif self.path == "/html":
            self._answer(500, b"<h1>oops</h1>", "text/html")
        elif self.path == "/bye":
            self._answer(200, b"{}", "application/json")
            self.close_connection = True
        else:
            self._answer(200, b"{}", "application/json")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        status = int(self.path.rsplit("/", 1)[-1] or 200)
        if status == 200:
            told = {"body": body.decode(errors="replace"), "type": self.headers["content-type"]}
            told["authorization"] = self.headers["authorization"]
            self._answer(200, json.dumps(told).encode(), "application/json")
        else:
            self._answer(status, b'{"error": {"message": "so it is"}}', "application/json")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 503:
            self.send_header("Retry-After", "7")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        made.seen = set()  # type: ignore[attr-defined]
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def url(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


@pytest.fixture
def management(url: str) -> Iterator[Management]:
    made = Management(lambda: Address(url, "t", "a test"))
    yield made
    made.close()


def test_a_connection_is_kept(url: str, server: ThreadingHTTPServer) -> None:
    transport = Transport(url)
    for _ in range(3):
        assert transport.exchange("GET", "/").status == 200
    transport.close()
    assert len(server.seen) == 1  # type: ignore[attr-defined]


def test_a_connection_that_the_server_closed_is_opened_anew(url: str) -> None:
    transport = Transport(url)
    for _ in range(3):
        assert transport.exchange("GET", "/bye").status == 200
    transport.close()


def test_a_connection_that_ends_before_the_answer_is_broken_and_not_tried_again(url: str) -> None:
    transport = Transport(url)
    with pytest.raises(Broken):
        transport.exchange("GET", "/break")


def test_nobody_there_is_not_connected() -> None:
    with pytest.raises(NotConnected):
        Transport("http://127.0.0.1:9").exchange("GET", "/")


@pytest.mark.parametrize("url", ["ftp://x", "http://", "nonsense://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Transport(url)


def test_a_problem_is_raised_as_the_same_class_again(management: Management) -> None:
    with pytest.raises(Conflict, match="taken") as caught:
        management.get("/conflict")
    assert caught.value.hint == "another"


def test_an_answer_that_is_no_problem_is_shown_in_part(management: Management) -> None:
    with pytest.raises(MlserveError, match="oops"):
        management.get("/html")


def test_a_hub_elsewhere_that_is_not_there_is_named() -> None:
    management = Management(lambda: Address("http://127.0.0.1:9", "t", "MLSERVE_HUB"))
    with pytest.raises(HubUnreachable, match=r"127\.0\.0\.1:9 \(from MLSERVE_HUB\)"):
        management.get("/v1/hub")


def test_a_local_hub_that_has_moved_is_found_again(url: str) -> None:
    addresses = [Address("http://127.0.0.1:9", "t", "x", local=True), Address(url, "t", "x", local=True)]
    management = Management(lambda: addresses.pop(0))
    assert management.get("/") == {}
    management.close()


def test_a_local_hub_that_ends_under_a_question_is_asked_again_where_it_came_back(url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as dying:
        here = f"http://127.0.0.1:{dying.getsockname()[1]}"

        def answers_nobody() -> None:
            for _ in range(2):
                dying.accept()[0].close()

        ending = threading.Thread(target=answers_nobody, daemon=True)
        ending.start()
        addresses = [Address(at, "t", "x", local=True) for at in (here, url, here)]
        management = Management(lambda: addresses.pop(0))
        assert management.get("/") == {}
        management.close()
        with pytest.raises(HubUnreachable):  # what changes something may have been done
            Management(lambda: addresses.pop(0)).post("/200")
        ending.join(10)


def test_errors_that_others_derive_are_not_what_a_problem_becomes() -> None:
    class Narrow(Conflict):
        def __init__(self, *, by: str) -> None:
            super().__init__(by)

    again = from_problem(to_problem(Narrow(by="somebody")))
    assert (type(again), again.message) == (Conflict, "somebody")


def test_errors_with_the_code_of_another_class_do_not_take_its_place() -> None:
    class Hidden(InvalidInput):
        code = "not-found"

    assert Hidden in InvalidInput.__subclasses__(), "it is known before NotFound is looked at"
    assert type(from_problem(to_problem(NotFound("none")))) is NotFound


def test_lines_come_one_by_one(management: Management) -> None:
    assert list(management.lines("/lines")) == [{"n": 1}, {"n": 2}]


def test_a_predictor_sends_python_as_json_with_the_token(url: str) -> None:
    with Predictor(f"{url}/200", token="secret") as predictor:
        told = predictor.predict({"x": [1]}, path="")
    assert told == {"body": '{"x": [1]}', "type": "application/json", "authorization": "Bearer secret"}


def test_a_predictor_sends_arrays_as_lists(url: str) -> None:
    with Predictor(f"{url}/200") as predictor:
        assert predictor.predict({"x": np.arange(2)}, path="")["body"] == '{"x": [0, 1]}'


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "image/png"), ("a.json", "application/json"), ("a.bin", "application/octet-stream")]
)
def test_a_predictor_sends_a_file_as_it_is(url: str, tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(b"abc")
    with Predictor(f"{url}/200") as predictor:
        told = predictor.predict(tmp_path / name, path="")
    assert (told["body"], told["type"]) == ("abc", kind)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidInput),
        (401, Denied),
        (404, NotFound),
        (413, InvalidInput),
        (503, RequestFailed),
        (504, RequestFailed),
    ],
)
def test_an_answer_that_is_an_error_raises_its_class(url: str, status: int, kind: type[MlserveError]) -> None:
    with Predictor(f"{url}/{status}") as predictor, pytest.raises(kind, match=f"{status}: so it is") as caught:
        predictor.predict({}, path="")
    assert caught.value.details[0]["status"] == status


def test_a_full_queue_says_when_to_come_again(url: str) -> None:
    with Predictor(f"{url}/503") as predictor, pytest.raises(RequestFailed) as caught:
        predictor.predict({}, path="")
    assert caught.value.hint == "try again in 7 s"


def test_a_predictor_may_be_shared_between_threads(url: str) -> None:
    predictor = Predictor(f"{url}/200")
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(predictor.predict([n], path="")["body"])) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [f"[{n}]" for n in range(8)]
