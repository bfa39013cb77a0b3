"""gRPC by its referee: tritonclient against real instances, in all the protocol's methods and errors."""

from __future__ import annotations

import asyncio
import queue
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from tests.unit.runtime_kit import IRIS, ROW, Running, launch, processor, serving, until
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

ECHO = """
import numpy as np
from mlserve.runtime import InvalidInput

KINDS = "BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 BYTES".split()

class Echo:
    def metadata(self):
        tensors = [{"name": kind.lower(), "type": kind, "shape": [-1, -1], "optional": True} for kind in KINDS]
        return {"inputs": tensors, "outputs": []}

    def predict(self, inputs, context):
        if context.parameters.get("refuse"):
            raise InvalidInput("not this one")
        if context.parameters.get("fail"):
            raise RuntimeError("broken: ✗ 100%")
        if "big" in context.parameters:
            return {"big": np.zeros(context.parameters["big"], dtype=np.float32)}
        if context.sequence is not None:
            context.state["seen"] = context.state.get("seen", 0) + 1
            return {"seen": np.array([context.state["seen"]])}
        if "show" in context.parameters:
            return {"said": np.array([repr(sorted(context.parameters.items())), context.identity], dtype=object)}
        return dict(inputs)
"""
COUNT = """
import time
import numpy as np

class Count:
    def metadata(self):
        return {"inputs": [{"name": "to", "type": "INT32", "shape": [1]}], "outputs": []}

    def stream(self, inputs, context):
        for number in range(int(inputs["to"][0])):
            if context.parameters.get("fail_at") == number:
                raise ValueError("enough")
            yield {"n": np.array([number], dtype=np.int64)}
            time.sleep(context.parameters.get("pause", 0))
"""


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("iris"), model_path=str(IRIS), max_queue_size=512) as instance:
        yield instance


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("echo")
    folder = processor(home, ECHO)
    with serving(
        home, service="echo", processor="python", processor_path=folder, processor_entry="processor.py:Echo"
    ) as instance:
        yield instance


@pytest.fixture(scope="module")
def count(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("count")
    folder = processor(home, COUNT)
    with serving(
        home, service="count", processor="python", processor_path=folder, processor_entry="processor.py:Count"
    ) as instance:
        yield instance


def client(instance: Running) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(f"127.0.0.1:{instance.port}")


def tensor(name: str, array: Any, datatype: str) -> triton.InferInput:
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array)
    return made


def rows(count: int = 1) -> list[triton.InferInput]:
    return [tensor(name, np.full((count, 1), value, np.float32), "FP32") for name, value in ROW.items()]


def refused(code: str, words: str, ask: Any) -> None:
    with pytest.raises(InferenceServerException) as caught:
        ask()
    assert (caught.value.status(), words in caught.value.message()) == (f"StatusCode.{code}", True), caught.value


def test_the_server_and_its_model_describe_themselves_as_over_http(iris: Running) -> None:
    ask = client(iris)
    assert ask.is_server_live()
    assert ask.is_server_ready()
    assert ask.is_model_ready("iris")
    assert ask.is_model_ready("iris", "3")
    assert ask.get_server_metadata().name == "mlserve"
    assert list(ask.get_server_metadata().extensions) == iris.get("/v2").json["extensions"]
    about = ask.get_model_metadata("iris", as_json=True)
    http = iris.get("/v2/models/iris").json
    assert [(item["name"], item["datatype"]) for item in about["inputs"]] == [
        (item["name"], item["datatype"]) for item in http["inputs"]
    ]
    assert [[int(size) for size in item["shape"]] for item in about["outputs"]] == [
        item["shape"] for item in http["outputs"]
    ]
    assert ask.get_model_config("iris").config.input[0].data_type == 11
    (listed,) = ask.get_model_repository_index().models
    assert (listed.name, listed.version, listed.state) == ("iris", "3", "READY")


def test_an_answer_is_the_same_as_over_http(iris: Running) -> None:
    answer = client(iris).infer("iris", rows(2), request_id="mine", model_version="3")
    listed = [{"name": name, "shape": [2, 1], "datatype": "FP32", "data": [value] * 2} for name, value in ROW.items()]
    http = iris.post("/v2/models/iris/infer", {"inputs": listed}).json
    outputs = {item["name"]: item for item in http["outputs"]}
    assert answer.get_response().id == "mine"
    assert (answer.get_response().model_name, answer.get_response().model_version) == ("iris", "3")
    assert answer.as_numpy("species").tolist() == [b"setosa", b"setosa"]
    assert answer.as_numpy("probability").ravel().tolist() == pytest.approx(outputs["probability"]["data"], abs=1e-6)


def test_outputs_are_chosen_and_classified(iris: Running) -> None:
    ask = client(iris)
    answer = ask.infer("iris", rows(), outputs=[triton.InferRequestedOutput("probability")])
    assert [output.name for output in answer.get_response().outputs] == ["probability"]
    best = ask.infer("iris", rows(), outputs=[triton.InferRequestedOutput("probability", class_count=2)])
    words = [word.decode().split(":")[1] for word in best.as_numpy("probability").ravel()]
    assert words == ["0", "1"]
    refused(
        "INVALID_ARGUMENT",
        'no output "colour"',
        lambda: ask.infer("iris", rows(), outputs=[triton.InferRequestedOutput("colour")]),
    )


def test_a_model_is_called_by_the_name_that_its_caller_knows_too(iris: Running) -> None:
    ask, known = client(iris), {"x-forwarded-prefix": "/api/predict/shop"}
    assert ask.infer("shop", rows(), headers=known).get_response().model_name == "iris"
    assert ask.infer("iris", rows(), headers=known).get_response().model_name == "iris"
    for _ in range(2):
        refused("NOT_FOUND", 'no model "shop"', lambda: ask.infer("shop", rows()))


def test_errors_say_what_was_wanted_with_the_code_that_fits(iris: Running) -> None:
    ask = client(iris)
    refused("NOT_FOUND", 'no model "rose" here (model: iris)', lambda: ask.infer("rose", rows()))
    refused("NOT_FOUND", 'no version "9"', lambda: ask.infer("iris", rows(), model_version="9"))
    refused("NOT_FOUND", 'no model "rose"', lambda: ask.get_model_metadata("rose"))
    refused("INVALID_ARGUMENT", 'input "petal_width" is missing', lambda: ask.infer("iris", rows()[:3]))
    wrong = [*rows()[:3], tensor("petal_width", np.zeros((1, 2), np.float32), "FP32")]
    refused(
        "INVALID_ARGUMENT",
        'input "petal_width" wants FP32, shape [-1, 1]; came shape [1, 2]',
        lambda: ask.infer("iris", wrong),
    )
    wrong = [*rows()[:3], tensor("petal_width", np.zeros((1, 1), np.int64), "INT64")]
    refused("INVALID_ARGUMENT", "came INT64", lambda: ask.infer("iris", wrong))
    uneven = [*rows(2)[:3], rows(1)[3]]
    refused("INVALID_ARGUMENT", "all inputs want as many", lambda: ask.infer("iris", uneven))
    refused("INVALID_ARGUMENT", "mlserve stop", lambda: ask.unload_model("iris"))
    refused(
        "UNIMPLEMENTED", "shared memory is not offered here", lambda: ask.register_system_shared_memory("a", "/a", 8)
    )
    ask.load_model("iris")
    ask.unregister_system_shared_memory()
    assert not ask.get_system_shared_memory_status().regions


def test_what_is_no_message_is_refused_and_the_connection_goes_on(iris: Running) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{iris.port}") as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        for body in (
            b"\xff",
            b"\x0a\x7f",
            b"\x38\x01",
            bytes(100),
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ):
            with pytest.raises(grpc.RpcError) as caught:
                call(body)
            assert caught.value.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND), body
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/inference.GRPCInferenceService/ModelGuess")(b"")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert "ModelInfer" in caught.value.details()
    assert client(iris).is_server_live()


def test_raw_contents_have_to_fit(iris: Running) -> None:
    request = service_pb2.ModelInferRequest(model_name="iris")
    for name in ROW:
        request.inputs.add(name=name, datatype="FP32", shape=[1, 1])
        request.raw_input_contents.append(struct.pack("<f", 1))
    with grpc.insecure_channel(f"127.0.0.1:{iris.port}") as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        assert len(stub.ModelInfer(request).raw_output_contents) == 2
        request.raw_input_contents[3] = b"12345"
        with pytest.raises(grpc.RpcError, match="5 bytes, where FP32 of shape"):
            stub.ModelInfer(request)
        del request.raw_input_contents[3]
        with pytest.raises(grpc.RpcError, match="has 3 tensors, and 4 inputs"):
            stub.ModelInfer(request)


@pytest.mark.parametrize(
    ("datatype", "values"),
    [
        ("BOOL", [True, False]), ("UINT8", [0, 255]), ("UINT16", [0, 65535]), ("UINT32", [0, 2**32 - 1]),
        ("UINT64", [0, 2**64 - 1]), ("INT8", [-128, 127]), ("INT16", [-(2**15), 2**15 - 1]),
        ("INT32", [-(2**31), 2**31 - 1]), ("INT64", [-(2**63), 2**63 - 1]), ("FP16", [0.5, -65504.0]),
        ("FP32", [1.5, float("nan")]), ("FP64", [1e300, float("-inf")]), ("BYTES", [b"\xff\x00", "tür".encode()]),
    ],
)  # fmt: skip
def test_every_datatype_comes_back_as_it_was_sent(echo: Running, datatype: str, values: list[Any]) -> None:
    kind = np.object_ if datatype == "BYTES" else triton.InferInput("x", [1], datatype)
    dtype = kind if datatype == "BYTES" else _numpy(datatype)
    array = np.array([values], dtype=dtype)
    answer = client(echo).infer("echo", [tensor(datatype.lower(), array, datatype)])
    came = answer.as_numpy(datatype.lower())
    assert answer.get_output(datatype.lower()).datatype == datatype
    assert came.dtype == dtype
    np.testing.assert_array_equal(came, array)
    empty = client(echo).infer("echo", [tensor(datatype.lower(), np.zeros((0, 2), dtype=dtype), datatype)])
    assert empty.as_numpy(datatype.lower()).shape == (0, 2)


def _numpy(datatype: str) -> Any:
    from tritonclient.utils import triton_to_np_dtype

    return np.dtype(triton_to_np_dtype(datatype))


def test_typed_contents_are_answered_typed(echo: Running) -> None:
    request = service_pb2.ModelInferRequest(model_name="echo")
    for kind, field, values in (
        ("BOOL", "bool_contents", [True, False]), ("UINT8", "uint_contents", [0, 255]),
        ("INT16", "int_contents", [-5, 7]), ("INT64", "int64_contents", [-(2**60), 2**60]),
        ("UINT64", "uint64_contents", [2**63]), ("FP32", "fp32_contents", [0.5]), ("FP64", "fp64_contents", [1e300]),
        ("BYTES", "bytes_contents", [b"a", b"\xff"]),
    ):  # fmt: skip
        made = request.inputs.add(name=kind.lower(), datatype=kind, shape=[1, len(values)])
        getattr(made.contents, field).extend(values)
    with grpc.insecure_channel(f"127.0.0.1:{echo.port}") as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        answer = stub.ModelInfer(request)
        assert not answer.raw_output_contents
        assert [output.contents for output in answer.outputs] == [item.contents for item in request.inputs]
        for kind, field, value, words in (
            ("UINT8", "uint_contents", 256, "a number outside 0"), ("INT8", "int_contents", 128, "outside -128"),
            ("FP16", "fp32_contents", 1.0, "send FP16 in raw_input_contents"),
            ("FP32", "fp64_contents", 1.0, "the values of FP32 go into fp32_contents"),
        ):  # fmt: skip
            wrong = service_pb2.ModelInferRequest(model_name="echo")
            made = wrong.inputs.add(name=kind.lower(), datatype=kind, shape=[1, 1])
            getattr(made.contents, field).append(value)
            with pytest.raises(grpc.RpcError, match=words):
                stub.ModelInfer(wrong)


def test_parameters_and_ids_reach_the_processor(echo: Running) -> None:
    parameters = {"show": True, "n": 7, "word": "tür", "x": 1.5}
    answer = client(echo).infer("echo", [], request_id="№ 1", parameters=parameters)
    said, identity = answer.as_numpy("said").tolist()
    assert said.decode() == repr(sorted(parameters.items()))
    assert identity.decode() == "№ 1"
    again = client(echo).infer("echo", [], request_id="2", parameters=parameters)
    assert again.as_numpy("said").tolist()[1] == b"2"


def test_a_processor_that_refuses_or_fails_says_so(echo: Running) -> None:
    ask = client(echo)
    refused("INVALID_ARGUMENT", "not this one", lambda: ask.infer("echo", [], parameters={"refuse": True}))
    refused("INTERNAL", "broken: ✗ 100%", lambda: ask.infer("echo", [], parameters={"fail": True}))


def test_large_tensors_pass_both_ways_and_compressed(echo: Running) -> None:
    ask = client(echo)
    array = np.random.default_rng(1).normal(size=(4, 1_000_000)).astype(np.float32)
    for algorithm in (None, "gzip", "deflate"):
        answer = ask.infer("echo", [tensor("fp32", array, "FP32")], compression_algorithm=algorithm)
        np.testing.assert_array_equal(answer.as_numpy("fp32"), array)
    assert ask.infer("echo", [], parameters={"big": 10_000_000}).as_numpy("big").shape == (10_000_000,)


def test_a_message_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path, model_path=str(IRIS), max_body=10_000) as instance:
        ask = client(instance)
        refused("RESOURCE_EXHAUSTED", "10000 bytes", lambda: ask.infer("iris", rows(5000)))
        zipped = [tensor(name, np.zeros((5000, 1), np.float32), "FP32") for name in ROW]
        refused("RESOURCE_EXHAUSTED", "10000 bytes", lambda: ask.infer("iris", zipped, compression_algorithm="gzip"))
        assert ask.infer("iris", rows(100)).as_numpy("species").shape == (100,)


def test_many_calls_share_one_connection(iris: Running) -> None:
    async def story() -> None:
        async with triton_aio.InferenceServerClient(f"127.0.0.1:{iris.port}") as ask:
            answers = await asyncio.gather(
                *(ask.infer("iris", _aio_rows(n % 5 + 1), request_id=str(n)) for n in range(300))
            )
            for n, answer in enumerate(answers):
                assert answer.get_response().id == str(n)
                assert answer.as_numpy("species").shape == (n % 5 + 1,)

    asyncio.run(story())


def _aio_rows(count: int) -> list[Any]:
    return rows(count)


def test_requests_of_a_sequence_share_a_state(echo: Running) -> None:
    ask = client(echo)
    for identity in (7, "seven"):
        seen = [
            int(
                ask.infer("echo", [], sequence_id=identity, sequence_start=n == 0, sequence_end=n == 2).as_numpy(
                    "seen"
                )[0]
            )
            for n in range(3)
        ]
        assert seen == [1, 2, 3]
    refused("INVALID_ARGUMENT", "7", lambda: ask.infer("echo", [], sequence_id=7))


class Heard:
    """The answers of a stream, as tritonclient hands them over."""

    def __init__(self, ask: triton.InferenceServerClient) -> None:
        self._queue: queue.Queue[tuple[Any, Any]] = queue.Queue()
        ask.start_stream(lambda result, error: self._queue.put((result, error)))

    def next(self) -> tuple[Any, Any]:
        return self._queue.get(timeout=20)

    def result(self) -> Any:
        result, error = self.next()
        assert error is None, error
        return result


def to(number: int) -> list[triton.InferInput]:
    return [tensor("to", np.array([number], np.int32), "INT32")]


def test_a_stream_answers_each_request_in_order(echo: Running) -> None:
    ask = client(echo)
    heard = Heard(ask)
    for n in range(50):
        ask.async_stream_infer("echo", [tensor("int32", np.array([[n]], np.int32), "INT32")], request_id=str(n))
    for n in range(50):
        result = heard.result()
        assert (result.get_response().id, result.as_numpy("int32").tolist()) == (str(n), [[n]])
    ask.stop_stream()


def test_no_rows_are_answered_with_none_alone_and_in_a_stream(iris: Running) -> None:
    ask = client(iris)
    assert ask.infer("iris", rows(0)).as_numpy("probability").shape == (0, 3)
    heard = Heard(ask)
    ask.async_stream_infer("iris", rows(0))
    ask.async_stream_infer("iris", rows(2))
    assert heard.result().as_numpy("probability").shape == (0, 3)
    assert heard.result().as_numpy("probability").shape == (2, 3)
    ask.stop_stream()


def test_an_error_in_a_stream_belongs_to_its_request_alone(echo: Running) -> None:
    ask = client(echo)
    heard = Heard(ask)
    ask.async_stream_infer("echo", [], parameters={"fail": True}, request_id="bad")
    ask.async_stream_infer("rose", [])
    ask.async_stream_infer("echo", [tensor("int32", np.array([[1]], np.int32), "INT32")])
    assert "broken" in str(heard.next()[1])
    assert 'no model "rose"' in str(heard.next()[1])
    assert heard.result().as_numpy("int32").tolist() == [[1]]
    ask.stop_stream()


def test_a_processor_that_streams_gives_any_number_of_answers(count: Running) -> None:
    ask = client(count)
    heard = Heard(ask)
    ask.async_stream_infer("count", to(3), request_id="a", enable_empty_final_response=True)
    ask.async_stream_infer("count", to(0), request_id="b", enable_empty_final_response=True)
    ask.async_stream_infer("count", to(2), request_id="c")
    for n in range(3):
        result = heard.result()
        assert result.as_numpy("n").tolist() == [n]
        assert result.get_response().parameters["triton_final_response"].bool_param is False
    for identity in ("a", "b"):
        last = heard.result().get_response()
        assert (last.id, len(last.outputs)) == (identity, 0)
        assert last.parameters["triton_final_response"].bool_param is True
    assert [heard.result().as_numpy("n").tolist() for _ in range(2)] == [[0], [1]]
    ask.async_stream_infer("count", to(5), parameters={"fail_at": 2})
    assert [heard.result().as_numpy("n").tolist() for _ in range(2)] == [[0], [1]]
    assert "enough" in str(heard.next()[1])
    ask.stop_stream()


def test_a_final_flag_is_given_where_a_request_has_one_answer(echo: Running) -> None:
    ask = client(echo)
    heard = Heard(ask)
    ask.async_stream_infer("echo", [], parameters={"show": True}, enable_empty_final_response=True)
    response = heard.result().get_response()
    assert response.parameters["triton_final_response"].bool_param is True
    assert len(response.outputs) == 1
    ask.stop_stream()


def test_a_client_that_cancels_a_stream_frees_its_slot(count: Running) -> None:
    ask = client(count)
    heard = Heard(ask)
    ask.async_stream_infer("count", to(1_000_000), parameters={"pause": 0.01})
    heard.result()
    ask.stop_stream(cancel_requests=True)
    until(lambda: b'mlserve_requests_in_flight{service="count",version="3"} 0' in count.get("/metrics").body)


def test_a_slow_reader_of_a_stream_is_waited_for(count: Running) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{count.port}") as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        request = service_pb2.ModelInferRequest(model_name="count", id="x" * 10_000)
        request.inputs.add(name="to", datatype="INT32", shape=[1]).contents.int_contents.append(3000)
        answers = stub.ModelStreamInfer(iter([request]))
        assert sum(1 for _ in answers) == 3000


def test_a_deadline_that_passes_ends_the_call(count: Running) -> None:
    ask = client(count)
    with pytest.raises(InferenceServerException) as caught:
        ask.infer("count", to(100), parameters={"pause": 0.05}, client_timeout=0.2)
    assert caught.value.status() == "StatusCode.DEADLINE_EXCEEDED"


def test_a_full_queue_says_when_to_come_again(tmp_path: Path) -> None:
    text = "import time\nclass P:\n    def predict(self, inputs):\n        time.sleep(1)\n        return {'y': 1}\n"
    folder = processor(tmp_path, text)
    with serving(
        tmp_path, processor="python", processor_path=folder, processor_entry="processor.py:P", worker_threads=1,
        max_queue_size=1,
    ) as instance, grpc.insecure_channel(f"127.0.0.1:{instance.port}") as channel:  # fmt: skip
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        calls = [stub.ModelInfer.future(service_pb2.ModelInferRequest(model_name="iris")) for _ in range(6)]
        errors = [call.exception(timeout=20) for call in calls]
        full = [error for error in errors if error is not None]
        assert full
        assert len(full) < 6
        for error in full:
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            trailers = dict(error.trailing_metadata())
            assert int(trailers["grpc-retry-pushback-ms"]) >= 1000
            assert trailers["x-mlserve-overloaded"] == "1"


def test_health_can_be_asked_and_watched(tmp_path: Path) -> None:
    text = """
import time
class P:
    def load(self, path, config):
        time.sleep(1)
    def predict(self, inputs):
        return {}
"""
    folder = processor(tmp_path, text)
    instance = launch(tmp_path, processor="python", processor_path=folder, processor_entry="processor.py:P")
    try:
        until(lambda: "listening" in instance.log, instance)
        with grpc.insecure_channel(f"127.0.0.1:{instance.port}") as channel:
            health = health_pb2_grpc.HealthStub(channel)
            watched = health.Watch(health_pb2.HealthCheckRequest(service="iris"))
            assert next(watched).status == health_pb2.HealthCheckResponse.NOT_SERVING
            with pytest.raises(grpc.RpcError, match="still being loaded"):
                service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(
                    service_pb2.ModelInferRequest(model_name="iris")
                )
            assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
            assert health.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING
            with pytest.raises(grpc.RpcError) as caught:
                health.Check(health_pb2.HealthCheckRequest(service="rose"))
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND
            watched.cancel()
        assert instance.stop() == 0
    finally:
        instance.process.kill()
        instance.process.wait()


def test_reflection_tells_what_can_be_called(iris: Running) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{iris.port}") as channel:
        known = ProtoReflectionDescriptorDatabase(channel)
        assert {"inference.GRPCInferenceService", "grpc.health.v1.Health"} <= set(known.get_services())
        file = known.FindFileContainingSymbol("inference.GRPCInferenceService")
        assert len(file.service[0].method) == len(
            service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods
        )


def test_a_call_that_is_under_way_survives_the_end_of_the_instance(tmp_path: Path) -> None:
    text = "import time\nclass P:\n    def predict(self, inputs):\n        time.sleep(1)\n        return {'y': 1}\n"
    folder = processor(tmp_path, text)
    with (
        serving(tmp_path, processor="python", processor_path=folder, processor_entry="processor.py:P") as instance,
        grpc.insecure_channel(f"127.0.0.1:{instance.port}") as channel,
    ):
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        call = stub.ModelInfer.future(service_pb2.ModelInferRequest(model_name="iris"))
        until(lambda: b'in_flight{service="iris",version="3"} 1' in instance.get("/metrics").body)
        assert instance.stop() == 0
        assert call.result(timeout=10).outputs[0].name == "y"


def test_the_protocol_is_the_referees_own(iris: Running) -> None:
    """Names, numbers and types of every field, so that no client sees a difference."""
    from mlserve.runtime import protobuf

    source = Path(protobuf.__file__).parent / "grpc" / "protos" / "inference.proto"
    ours = protobuf.load(source).messages
    for name, message in service_pb2.DESCRIPTOR.message_types_by_name.items():
        _same(message, ours[name].DESCRIPTOR)


def _same(theirs: Any, ours: Any) -> None:
    assert [_described(field) for field in theirs.fields] == [_described(field) for field in ours.fields]
    for nested in theirs.nested_types:
        _same(nested, ours.nested_types_by_name[nested.name])


def _described(field: Any) -> tuple[Any, ...]:
    return field.name, field.number, field.type, field.is_repeated, field.message_type and field.message_type.name
