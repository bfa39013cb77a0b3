"""generate and generate_stream: text in, text out, at once or as server-sent events."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.runtime_kit import Running, processor, serving

WRITER = """
import time

class Writer:
    def metadata(self):
        return {"inputs": [{"name": "text_input", "type": "string", "shape": [-1]},
                           {"name": "seed", "type": "long", "shape": [-1, 1], "optional": True}],
                "outputs": [{"name": "text_output", "type": "string", "shape": [-1]}]}
    def stream(self, inputs, context):
        words = str(inputs["text_input"][0]).split()
        for word in words[: context.parameters.get("max_tokens", 99)]:
            if word == "bad":
                raise ValueError("bad word")
            if word == "wait":
                time.sleep(0.3)
            yield {"text_output": [word + context.parameters.get("end", " ")], "ids": [len(word), 0]}
"""
PLAIN = """
class Plain:
    def metadata(self):
        return {"inputs": [{"name": "text_input", "type": "string", "shape": [-1, 1]}],
                "outputs": [{"name": "text_output", "type": "string", "shape": [-1, 1]}]}
    def predict(self, inputs):
        return {"text_output": [[text.upper()] for text in inputs["text_input"].ravel()]}
"""
NUMBERS = PLAIN.replace("text_input", "x").replace("string", "float")
PATH = "/v2/models/m/generate"


def started(home: Path, text: str) -> Any:
    return serving(home, processor="python", processor_path=processor(home, text), service="m")


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with started(tmp_path_factory.mktemp("writer"), WRITER) as running:
        yield running


def events(body: bytes) -> list[Any]:
    parts = body.decode().split("\n\n")
    assert parts[-1] == ""
    assert all(part.startswith("data: ") for part in parts[:-1])
    return [json.loads(part.removeprefix("data: ")) for part in parts[:-1]]


def test_each_answer_is_an_event_as_soon_as_it_is_there(writer: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", writer.port, timeout=10)
    connection.request("POST", f"{PATH}_stream", json.dumps({"text_input": "one wait", "id": "7"}))
    reply = connection.getresponse()
    assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream")
    first = reply.read1()
    assert [event["text_output"] for event in events(first)] == ["one "]
    assert events(reply.read())[0]["id"] == "7"
    reply.close()
    connection.close()


def test_one_answer_holds_all_parts(writer: Running) -> None:
    told = writer.post(PATH, {"text_input": "a bb", "parameters": {"end": "-"}}).json
    assert told == {"model_name": "m", "model_version": "3", "text_output": "a-bb-", "ids": [1, 0, 2, 0]}


@pytest.mark.parametrize(
    "body",
    [
        {"text_input": "a b c", "max_tokens": 2},
        {"text_input": "a b c", "parameters": {"max_tokens": 2, "stop": ["x"], "details": False}},
        {"parameters": {"text_input": "a b c", "max_tokens": 2}, "seed": 4},
        {"text_input": ["a b c"], "max_tokens": 2, "seed": [[4]]},
    ],
)
def test_keys_are_inputs_or_else_parameters(writer: Running, body: dict[str, Any]) -> None:
    told = events(writer.post(f"{PATH}_stream", body).body)
    assert [event["text_output"] for event in told] == ["a ", "b "]
    assert told[0]["ids"] == [1, 0]


def test_an_error_before_the_first_answer_has_its_status_and_one_after_it_is_an_event(writer: Running) -> None:
    answer = writer.post(f"{PATH}_stream", {"text_input": "bad"})
    assert (answer.status, answer.headers["content-type"]) == (500, "application/json")
    answer = writer.post(f"{PATH}_stream", {"text_input": "good bad"})
    first, last = events(answer.body)
    assert (answer.status, first["text_output"]) == (200, "good ")
    assert "bad word" in last["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"[]", "object"),
        (b"{}", '"text_input" is missing'),
        (b'{"text_input": 5}', '"text_input" wants BYTES'),
        (b'{"text_input": []}', "empty"),
        (b'{"text_input": "a", "seed": "b"}', '"seed" wants INT64'),
        (b'{"text_input": "a", "parameters": 5}', '"parameters"'),
        (b'{"text_input": "a", "priority": "high"}', '"priority"'),
    ],
)
@pytest.mark.parametrize("way", ["", "_stream"])
def test_what_cannot_be_used_is_422_with_the_reason(writer: Running, way: str, body: bytes, said: str) -> None:
    answer = writer.post(PATH + way, body)
    assert answer.status == 422
    assert said in answer.json["error"]


def test_a_model_that_does_not_stream_gives_one_event(tmp_path: Path) -> None:
    with started(tmp_path, PLAIN) as plain:
        assert plain.post(PATH, {"text_input": "hi"}).json["text_output"] == "HI"
        assert [event["text_output"] for event in events(plain.post(f"{PATH}_stream", {"text_input": "hi"}).body)] == [
            "HI"
        ]


def test_a_model_without_text_does_not_generate(tmp_path: Path) -> None:
    with started(tmp_path, NUMBERS) as numbers:
        assert numbers.post(PATH, {"x": 1.0}).status == 404
