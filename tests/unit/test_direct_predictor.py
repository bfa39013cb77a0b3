"""mlserve.Predictor without the gateway on the way: small real servers, of which some end, refuse or are about to."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.waiting import until

import mlserve
from mlserve.errors import InvalidInput, NotFound, RequestFailed
from mlserve.predictor.direct import Direct


class Server:
    """Answers everything with what ``say`` gives: status, headers, body. Counts requests and connections."""

    def __init__(self, say: Callable[[str], tuple[int, dict[str, str], Any]] | None = None) -> None:
        self.say = say or (lambda _: (200, {}, {"from": self.address}))
        self.asked: list[str] = []
        self.clients: set[Any] = set()
        self.open: list[socket.socket] = []
        self.cut = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body together

            def setup(self) -> None:
                super().setup()
                outer.open.append(self.connection)

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                outer.asked.append(self.path)
                outer.clients.add(self.client_address)
                if outer.cut:
                    self.close_connection = True
                    return
                status, headers, answer = outer.say(body.decode())
                text = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {"content-type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        for connection in self.open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Place:
    """A gateway that tells of some instances."""

    def __init__(self, count: int = 2) -> None:
        self.instances = [Server() for _ in range(count)]
        self.weights = {each.address: 100 for each in self.instances}
        self.status, self.more = 200, dict[str, Any]()
        self.gateway = Server(lambda _: (self.status, {}, self.answer()))

    def answer(self) -> dict[str, Any]:
        if self.status != 200:
            return {"error": "it is not to be", "code": "refused", "hint": "don't"}
        places = [(*address.split(":"), weight) for address, weight in self.weights.items()]
        items = [{"app": "iris", "ip": ip, "port": int(port), "weight": weight} for ip, port, weight in places]
        return {"correlative": ["iris"], "endpoints": {"items": items}, **self.more}

    def predictor(self) -> mlserve.Predictor:
        return mlserve.Predictor(f"http://{self.gateway.address}/api/predict/iris", "token", direct=True)

    def direct(self) -> Direct:
        return Direct(f"http://{self.gateway.address}", "iris")

    def close(self) -> None:
        for each in (self.gateway, *self.instances):
            each.close()


@pytest.fixture
def place() -> Iterator[Place]:
    with closing(Place()) as made:
        yield made


def froms(predictor: mlserve.Predictor, count: int) -> list[str]:
    return [predictor.predict({"x": 1})["from"] for _ in range(count)]


def test_the_instances_are_asked_and_the_gateway_only_where_they_are(place: Place) -> None:
    with place.predictor() as predictor:
        assert set(froms(predictor, 50)) == {each.address for each in place.instances}
    assert place.gateway.asked == ["/exported/apis/eas.alibaba-inc.k8s.io/v1/upstreams/iris"]
    assert [len(each.clients) for each in place.instances] == [1, 1], "connections are kept"
    assert {path for each in place.instances for path in each.asked} == {"/"}


def test_a_request_goes_to_the_instance_that_has_the_fewest(place: Place) -> None:
    first, second = place.instances
    held, go = threading.Event(), threading.Event()

    def slow(_: str) -> tuple[int, dict[str, str], Any]:
        held.set()
        go.wait(20)
        return 200, {}, {"from": first.address}

    first.say = slow
    with place.predictor() as predictor:
        while not held.is_set():  # chance sends one there
            waiting = threading.Thread(target=predictor.predict, args=({"x": 1},))
            waiting.start()
            held.wait(0.2)
        assert set(froms(predictor, 20)) == {second.address}
        go.set()
        waiting.join(20)


def test_weights_share_out_what_is_asked(place: Place) -> None:
    light, heavy = place.instances
    place.weights = {light.address: 5, heavy.address: 100}
    with place.predictor() as predictor:
        asked = froms(predictor, 200)
    assert 0 < asked.count(light.address) < 50


def test_an_instance_that_has_ended_costs_no_answer(place: Place) -> None:
    gone, left = place.instances
    with place.predictor() as predictor:
        froms(predictor, 10)
        gone.close()
        assert set(froms(predictor, 50)) <= {left.address, gone.address}
        assert froms(predictor, 50).count(left.address) >= 45


def test_what_an_instance_took_and_lost_is_asked_of_another(place: Place) -> None:
    place.instances[0].cut = True
    with place.predictor() as predictor:
        assert set(froms(predictor, 30)) == {place.instances[1].address}


def test_where_requests_must_not_run_twice_a_lost_one_is_told(place: Place) -> None:
    place.more["retry"] = False
    for each in place.instances:
        each.cut = True
    with place.predictor() as predictor, pytest.raises(RequestFailed, match="did not answer"):
        predictor.predict({"x": 1})
    assert sum(len(each.asked) for each in place.instances) == 1


def test_a_full_queue_is_no_answer_while_another_has_room(place: Place) -> None:
    full = place.instances[0]
    full.say = lambda _: (503, {"x-mlserve-overloaded": "1"}, {"error": "full"})
    with place.predictor() as predictor:
        assert set(froms(predictor, 30)) == {place.instances[1].address}
        place.instances[1].say = full.say
        with pytest.raises(RequestFailed, match="full"):
            predictor.predict({"x": 1})


def test_an_instance_about_to_end_is_asked_no_more(place: Place) -> None:
    ending, left = place.instances
    ending.say = lambda _: (200, {"x-mlserve-draining": "1", "connection": "close"}, {"from": ending.address})
    with place.predictor() as predictor:
        assert froms(predictor, 50).count(ending.address) <= 1
        left.close()
        assert set(froms(predictor, 5)) == {ending.address}, "it serves on while there is no other"


def test_the_list_stays_while_nobody_tells_and_follows_what_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlserve.predictor.direct._FRESH", 0.02)
    first, second = place.instances
    place.weights = {first.address: 100}
    with place.predictor() as predictor:
        assert set(froms(predictor, 10)) == {first.address}
        place.weights = {second.address: 100}
        until(lambda: froms(predictor, 1) == [second.address], "another weight")
        for away in (lambda: setattr(place, "weights", {}), lambda: setattr(place, "status", 404), place.gateway.close):
            away()
            time.sleep(0.05)
            assert set(froms(predictor, 10)) == {second.address}
        place.gateway = Server()


def test_a_service_that_can_not_be_asked_directly_says_so_at_once(place: Place) -> None:
    place.status = 403
    with pytest.raises(InvalidInput, match="not to be"):
        place.predictor()
    place.status = 404
    with pytest.raises(NotFound, match='no service "iris"'):
        place.predictor()
    with pytest.raises(InvalidInput, match="not an endpoint"):
        mlserve.Predictor("http://127.0.0.1:1/elsewhere", direct=True)


def test_threads_share_one_and_none_is_left_counted(place: Place) -> None:
    direct = place.direct()

    def work() -> None:
        for _ in range(20):
            assert direct.exchange("POST", "/", body=b"{}").status == 200
        direct.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    assert sum(len(each.asked) for each in place.instances) == 160
    assert all(instance.in_flight == 0 for instance in direct._known())
