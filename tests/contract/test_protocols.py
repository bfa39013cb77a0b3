"""One suite over every request format, in-process: what goes in comes out, and what is wrong is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlserve.errors import InvalidInput
from mlserve.runtime.http.request import Request
from mlserve.runtime.processors.base import Metadata, Tensor
from mlserve.runtime.protocols.base import Call, Model, RequestFormat, UnsupportedMedia
from mlserve.runtime.protocols.eval import Eval
from mlserve.runtime.protocols.v1 import V1
from mlserve.runtime.protocols.v2 import V2
from mlserve.runtime.signature import Signature

INPUTS = (Tensor("x", "FP32", (-1, 2)), Tensor("n", "INT32", (-1, 1)), Tensor("word", "BYTES", (-1,)))
OUTPUTS = (Tensor("x", "FP32", (-1, 2)), Tensor("n", "INT32", (-1, 1)), Tensor("word", "BYTES", (-1,)))
MODEL = Model("m", 3, Signature(Metadata(INPUTS, OUTPUTS, "echo", rows=True)))
SINGLE = Model("m", 3, Signature(Metadata(INPUTS[:1], OUTPUTS[:1], "echo", rows=True)))
OPEN = Model("m", 3, Signature(Metadata(open=True, trusted=False)))


@dataclass(frozen=True)
class Case:
    make: Callable[[Model], RequestFormat]
    path: str
    write: Callable[[dict[str, Any]], bytes]
    read: Callable[[bytes], dict[str, Any]]


def write_v2(values: dict[str, Any]) -> bytes:
    shapes = {"x": [-1, 2], "n": [-1, 1], "word": [-1]}
    datatypes = {"x": "FP32", "n": "INT32", "word": "BYTES"}

    def one(name: str, value: Any) -> dict[str, Any]:
        shape = [len(value) if size == -1 else size for size in shapes.get(name, [-1])]
        return {"name": name, "shape": shape, "datatype": datatypes.get(name, "FP32"), "data": value}

    return json.dumps({"inputs": [one(name, value) for name, value in values.items()]}).encode()


def read_v2(body: bytes) -> dict[str, Any]:
    return {o["name"]: np.array(o["data"]).reshape(o["shape"]).tolist() for o in json.loads(body)["outputs"]}


def nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value


CASES = {
    "eval": Case(Eval, "/eval", lambda v: json.dumps(v).encode(), json.loads),
    "v2": Case(V2, "/v2/models/m/infer", write_v2, read_v2),
    "v1": Case(
        V1, "/v1/models/m:predict", lambda v: json.dumps({"inputs": v}).encode(), lambda b: json.loads(b)["outputs"]
    ),
}
GOOD: dict[str, Any] = {"x": [[1.5, 2.0], [3.0, 4.25]], "n": [[7], [8]], "word": ["é", ""]}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def ask(form: RequestFormat, path: str, body: bytes, **headers: bytes) -> Call:
    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    call = form.infer()[path](Request(None, "POST", path.encode(), named, body))
    if call.prepare is not None:
        call.prepare()
    return call


def echo(call: Call) -> tuple[bytes, bytes, bytes]:
    return call.encode(call.inputs)


def refused(form: RequestFormat, path: str, body: bytes, **headers: bytes) -> dict[str, Any]:
    with pytest.raises(InvalidInput) as error:
        ask(form, path, body, **headers)
    answer: dict[str, Any] = json.loads(form.error(error.value))
    return answer


def test_tensors_go_in_and_come_out(case: Case) -> None:
    call = ask(case.make(MODEL), case.path, case.write(GOOD))
    assert call.rows == 2
    assert {name: array.dtype.kind for name, array in call.inputs.items()} == {"x": "f", "n": "i", "word": "O"}
    assert call.inputs["x"].dtype == np.float32
    body, kind, _ = echo(call)
    assert kind == b"application/json"
    assert case.read(body) == GOOD


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"x": [[True, 2.0]] * 2}, "true/false"),
        ({"n": [[1], [None]]}, "null"),
        ({"n": [[2**63], [-1]]}, "outside"),
        ({"word": [["a"], ["b", "c"]]}, "unequal"),
        ({"word": nested("a", 40)}, "deep"),
        ({"x": nested(1.0, 40)}, "deep"),
        ({"n": nested(1, 500)}, "deep"),
        ({"x": [1.0, nested(1.0, 500)]}, "unequal"),
        ({"x": [[1.0, 2.0, 3.0]] * 2}, '"x"'),
        ({"x": [["a", "b"]] * 2}, "text"),
        ({"x": [[1.0], [2.0, 3.0]]}, '"x"'),
        ({"x": [[1e300, 0.0]] * 2}, "too large"),
        ({"x": [[{}, 1.0]] * 2}, '"x"'),
        ({"n": [[1.5], [2.0]]}, "not whole"),
        ({"n": [[2**40], [1]]}, "outside"),
        ({"n": [["1"], ["2"]]}, "text"),
        ({"word": [1, 2]}, "a whole number"),
        ({"word": ["only one"]}, "rows"),
        ({"stranger": [1.0]}, "inputs: x, n, word"),
    ],
)
def test_a_wrong_input_is_named_with_what_it_wants_and_what_came(case: Case, change: dict[str, Any], said: str) -> None:
    answer = refused(case.make(MODEL), case.path, case.write(GOOD | change))
    assert said in answer["error"]
    assert next(iter(change)) in answer["error"]
    if case.make is Eval:
        assert {"error", "code", "input", "wanted", "came"} <= answer.keys()


def test_a_missing_input_is_named(case: Case) -> None:
    values = {name: value for name, value in GOOD.items() if name != "n"}
    assert 'input "n" is missing' in refused(case.make(MODEL), case.path, case.write(values))["error"]


@pytest.mark.parametrize(
    "body", [b"", b" ", b"{", b"[1]", b"3", b'"x"', b"null", b"\xff\xfe", b"[" * 5000, b'{"inputs": {}}']
)
def test_what_is_not_a_request_is_refused(case: Case, body: bytes) -> None:
    assert refused(case.make(MODEL), case.path, body)["error"]


def test_a_missing_number_is_null_both_ways(case: Case) -> None:
    call = ask(case.make(MODEL), case.path, case.write(GOOD | {"x": [[None, 1.0], [2.0, 3.0]]}))
    assert np.isnan(call.inputs["x"][0, 0])
    assert case.read(echo(call)[0])["x"][0][0] is None


def test_a_model_that_is_open_takes_arrays_as_they_come(case: Case) -> None:
    call = ask(case.make(OPEN), case.path, case.write({"anything": [1.5, 2.5]}))
    assert call.inputs["anything"].tolist() == [1.5, 2.5]


@pytest.mark.parametrize("name", ["x", "n", "word", "stranger"])
@pytest.mark.parametrize("depth", [33, 65, 900, 1000, 1015])
def test_lists_in_lists_of_any_depth_are_refused(case: Case, name: str, depth: int) -> None:
    body = case.write({name: ["@"]}).replace(b'["@"]', b"[" * depth + b"1" + b"]" * depth)
    for model in (MODEL, OPEN):
        refused(case.make(model), case.path, body)


LONG = Model("m", 3, Signature(Metadata((Tensor("n", "INT64", (-1,)),), (), "echo")))


@pytest.mark.parametrize("values", [[2**53 + 1, 1.0], [2**63 - 1, -(2**63)], [1e15, 2]])
def test_whole_numbers_stay_exact_whatever_is_beside_them(values: list[Any]) -> None:
    call = ask(Eval(LONG), "/eval", json.dumps({"n": values}).encode())
    assert call.inputs["n"].tolist() == [int(value) for value in values]


@pytest.mark.parametrize("value", [9.223372036854775808e18, 2**63, 2**64])
def test_a_whole_number_just_too_large_is_refused(value: float) -> None:
    assert "outside" in refused(Eval(LONG), "/eval", json.dumps({"n": [value]}).encode())["error"]


def test_a_long_text_does_not_blow_up_what_comes_with_it() -> None:
    many = ["long" * 50_000, *["short"] * 1000]
    for values in (many, [*many[:1], *[5] * 1000]):
        array = ask(Eval(OPEN), "/eval", json.dumps({"x": values}).encode()).inputs["x"]
        assert array.nbytes < 100_000
        assert array.tolist() == values
    assert "text" in refused(Eval(LONG), "/eval", json.dumps({"n": [*many[:1], *[5] * 1000]}).encode())["error"]


KEYS = st.sampled_from(["x", "n", "word", "name", "data", "shape"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(value=json_values, name=st.sampled_from(["x", "n", "word"]), form=st.sampled_from(sorted(CASES)))
def test_no_json_value_is_anything_but_taken_or_refused(value: Any, name: str, form: str) -> None:
    case = CASES[form]
    bodies = [{name: value}, GOOD | {name: value}, {"inputs": value}, {"instances": value}, {"inputs": [value]}]
    bodies.append({"inputs": [{"name": name, "shape": [1], "datatype": "FP32", "data": value, "parameters": value}]})
    for body in bodies:
        with suppress(InvalidInput):
            echo(ask(case.make(MODEL), case.path, json.dumps(body).encode()))


# the simplified format


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ({"x": [1.0, 2.0], "n": 7, "word": "a"}, {"x": [1.0, 2.0], "n": 7, "word": "a"}),
        ({"x": [1.0, 2.0], "n": [7], "word": "a"}, {"x": [1.0, 2.0], "n": 7, "word": "a"}),
        ({"x": [[1.0, 2.0]], "n": [[7]], "word": ["a"]}, {"x": [[1.0, 2.0]], "n": [[7]], "word": ["a"]}),
        (
            {"x": [[1.0, 2.0]] * 2, "n": [7, 8], "word": ["a", "b"]},
            {"x": [[1.0, 2.0]] * 2, "n": [[7], [8]], "word": ["a", "b"]},
        ),
    ],
)
def test_one_row_is_answered_in_the_shorthand_it_came_in(values: dict[str, Any], answer: dict[str, Any]) -> None:
    assert json.loads(echo(ask(Eval(MODEL), "/", json.dumps(values).encode()))[0]) == answer


def test_multipart_has_a_part_for_each_tensor() -> None:
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n'
        f"Content-Type: application/json\r\n\r\n{json.dumps(v)}\r\n"
        for name, v in GOOD.items()
    )
    call = ask(Eval(MODEL), "/eval", f"{parts}--b--\r\n".encode(), content_type=b"multipart/form-data; boundary=b")
    assert json.loads(echo(call)[0]) == GOOD
    cut = refused(Eval(MODEL), "/eval", parts.encode(), content_type=b"multipart/form-data; boundary=b")
    assert "boundary" in cut["error"]


@pytest.mark.parametrize("kind", [b"image/png", b"application/xml", b"video/mp4"])
def test_other_media_are_refused_with_what_is_taken(kind: bytes) -> None:
    with pytest.raises(UnsupportedMedia, match=r"application/json.*multipart/form-data") as error:
        ask(Eval(MODEL), "/eval", b"\x89PNG", content_type=kind)
    assert error.value.status == 415


def test_nan_as_a_bare_word_is_explained_in_json_and_taken_in_v1() -> None:
    body = b'{"x": [[NaN, 1.0]], "n": [[1]], "word": ["a"]}'
    assert "null" in refused(Eval(MODEL), "/eval", body)["error"]
    call = ask(V1(MODEL), "/v1/models/m:predict", b'{"inputs": %s}' % body)
    assert np.isnan(call.inputs["x"][0, 0])


def test_describe_lists_names_types_and_shapes() -> None:
    described = Eval(MODEL).read()["/describe"]()
    assert described["inputs"][0] == {"name": "x", "type": "float", "shape": [-1, 2]}
    assert [item["type"] for item in described["outputs"]] == ["float", "integer", "string"]


# v1


def test_instances_are_rows_and_predictions_too() -> None:
    rows = [{"x": [1.0, 2.0], "n": [7], "word": "a"}, {"x": [3.0, 4.0], "n": [8], "word": "b"}]
    call = ask(V1(MODEL), "/v1/models/m:predict", json.dumps({"instances": rows}).encode())
    assert json.loads(echo(call)[0]) == {"predictions": rows}
    single = ask(V1(SINGLE), "/v1/models/m/versions/3:predict", b'{"instances": [[1, 2], [3, 4]]}')
    assert json.loads(echo(single)[0]) == {"predictions": [[1.0, 2.0], [3.0, 4.0]]}


@pytest.mark.parametrize(
    "body", [b'{"instances": [], "inputs": []}', b"{}", b'{"instances": [1], "signature_name": "other"}']
)
def test_v1_wants_one_form_and_the_signature_there_is(body: bytes) -> None:
    assert refused(V1(SINGLE), "/v1/models/m:predict", body)["error"]


def test_outputs_without_rows_are_answered_by_name() -> None:
    call = ask(V1(OPEN), "/v1/models/m:predict", b'{"instances": [{"x": 1.0}]}')
    body, _, _ = call.encode({"label": np.array("a"), "scores": np.array([0.25, 0.75])})
    assert json.loads(body) == {"predictions": {"label": "a", "scores": [0.25, 0.75]}}


def test_b64_is_bytes() -> None:
    word = Model("m", 1, Signature(Metadata(INPUTS[2:], OUTPUTS[2:], rows=True)))
    call = ask(V1(word), "/v1/models/m:predict", b'{"instances": [{"b64": "aGk="}]}')
    assert call.inputs["word"].tolist() == [b"hi"]


# v2


def binary(values: dict[str, Any], **parameters: Any) -> tuple[bytes, bytes]:
    arrays = {"x": np.array(values["x"], "<f4"), "n": np.array(values["n"], "<i4")}
    words = b"".join(len(w.encode()).to_bytes(4, "little") + w.encode() for w in values["word"])
    blobs = {"x": arrays["x"].tobytes(), "n": arrays["n"].tobytes(), "word": words}
    shapes = {"x": arrays["x"].shape, "n": arrays["n"].shape, "word": (len(values["word"]),)}
    datatypes = {"x": "FP32", "n": "INT32", "word": "BYTES"}
    inputs = [
        {"name": n, "shape": shapes[n], "datatype": datatypes[n], "parameters": {"binary_data_size": len(blobs[n])}}
        for n in blobs
    ]
    head = json.dumps({"id": "7", "inputs": inputs, **parameters}).encode()
    return head + b"".join(blobs.values()), str(len(head)).encode()


def test_binary_tensors_go_in_and_come_out() -> None:
    body, length = binary(GOOD, parameters={"binary_data_output": True})
    call = ask(V2(MODEL), "/v2/models/m/infer", body, inference_header_content_length=length)
    answer, kind, extra = echo(call)
    assert kind == b"application/octet-stream"
    size = int(extra.split(b":")[1])
    head = json.loads(answer[:size])
    assert (head["id"], head["model_name"], head["model_version"]) == ("7", "m", "3")
    assert [o["parameters"]["binary_data_size"] for o in head["outputs"]] == [16, 8, 10]
    assert np.frombuffer(answer[size : size + 16], "<f4").tolist() == [1.5, 2.0, 3.0, 4.25]


def test_outputs_are_chosen_and_binary_one_by_one() -> None:
    body, length = binary(GOOD, outputs=[{"name": "n", "parameters": {"binary_data": True}}, {"name": "word"}])
    answer, _, extra = echo(ask(V2(MODEL), "/v2/models/m/infer", body, inference_header_content_length=length))
    head = json.loads(answer[: int(extra.split(b":")[1])])
    assert [("data" in output, output["name"]) for output in head["outputs"]] == [(False, "n"), (True, "word")]
    unknown, length = binary(GOOD, outputs=[{"name": "nope"}])
    assert (
        "outputs: x, n, word"
        in refused(V2(MODEL), "/v2/models/m/infer", unknown, inference_header_content_length=length)["error"]
    )


def test_a_raw_body_is_the_one_input() -> None:
    raw = np.array([1.0, 2.0], "<f4").tobytes()
    call = ask(V2(SINGLE), "/v2/models/m/infer", raw, inference_header_content_length=b"0")
    assert call.inputs["x"].tolist() == [[1.0, 2.0]]
    assert echo(call)[0].endswith(raw)


@pytest.mark.parametrize("cut", [-1, -9, -30, 40])
def test_binary_bodies_of_a_wrong_length_are_refused(cut: int) -> None:
    body, length = binary(GOOD)
    changed = body[:cut] if cut < 0 else body + b"\0" * cut
    assert refused(V2(MODEL), "/v2/models/m/infer", changed, inference_header_content_length=length)["error"]
    assert refused(V2(MODEL), "/v2/models/m/infer", body, inference_header_content_length=b"999999")["error"]
    assert refused(V2(MODEL), "/v2/models/m/infer", body, inference_header_content_length=b"-3")["error"]


FREE = Model("m", 3, Signature(Metadata((Tensor("x", "FP32", None),), open=True)))


@pytest.mark.parametrize("item", [
    {"shape": [1] * 100}, {"shape": [0, 2**63], "data": []}, {"shape": [0, 2**62, 2**62], "data": []},
    {"datatype": ["FP32"]}, {"datatype": {}}, {"shape": [True]}, {"shape": [2**64]},
])  # fmt: skip
def test_shapes_and_datatypes_that_cannot_be_are_refused(item: dict[str, Any]) -> None:
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1.0]} | item]}
    assert 'input "x"' in refused(V2(FREE), "/v2/models/m/infer", json.dumps(body).encode())["error"]


def test_an_input_that_comes_twice_is_refused() -> None:
    item = {"name": "x", "datatype": "FP32", "shape": [1], "data": [1.0]}
    body = json.dumps({"inputs": [item, item]}).encode()
    assert "twice" in refused(V2(FREE), "/v2/models/m/infer", body)["error"]


@pytest.mark.parametrize("wish", [{"name": "z"}, {"name": "x", "parameters": 5}])
def test_outputs_that_cannot_be_had_are_refused_with_what_there_is(wish: dict[str, Any]) -> None:
    item = {"name": "x", "datatype": "FP32", "shape": [1], "data": [1.0]}
    with pytest.raises(InvalidInput, match='output "'):
        echo(ask(V2(FREE), "/v2/models/m/infer", json.dumps({"inputs": [item], "outputs": [wish]}).encode()))


def test_data_may_be_nested_or_flat_but_must_fill_its_shape() -> None:
    def body(data: Any, shape: Any) -> bytes:
        return json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": shape, "data": data}]}).encode()

    path = "/v2/models/m/versions/3/infer"
    for data in ([1, 2, 3, 4], [[1, 2], [3, 4]]):
        assert ask(V2(SINGLE), path, body(data, [2, 2])).inputs["x"].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    for data, shape in (([1, 2, 3], [2, 2]), ([1, 2], [-1, 2]), ([1, 2], "2"), ([[1, 2, 3, 4]], [2, 2]), ([1.0], [1])):
        assert '"x"' in refused(V2(SINGLE), path, body(data, shape))["error"]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(-5, 200))
def test_no_binary_body_is_anything_but_taken_or_refused(body: bytes, length: int) -> None:
    good, size = binary(GOOD)
    for raw, header in ((body, str(length).encode()), (good[: int(size)] + body, size)):
        with suppress(InvalidInput):
            echo(ask(V2(MODEL), "/v2/models/m/infer", raw, inference_header_content_length=header))
