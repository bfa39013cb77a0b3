"""Real Triton servers on the local group, asked by Triton's own clients through the gateway."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
import tritonclient.http.aio as triton_aio
from tests import heavy
from tests.conftest import stop_everything
from tests.s3_server import s3_client
from tests.waiting import until
from tritonclient.utils import InferenceServerException

import mlserve
from mlserve.client import Client, Service
from mlserve.engines.triton.engine import REQUIREMENTS
from mlserve.engines.triton.options import document, options
from mlserve.errors import Conflict, InvalidDescriptor, InvalidInput, NotFound, RequestFailed, StartFailed

pytestmark = pytest.mark.timeout(300)

ADDER = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        def answer(request):
            a = pb_utils.get_input_tensor_by_name(request, "a").as_numpy()
            return pb_utils.InferenceResponse([pb_utils.Tensor("y", a + 1)])

        return [answer(request) for request in requests]
"""
REPEATER = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            a = pb_utils.get_input_tensor_by_name(request, "a").as_numpy()
            for value in a.ravel():
                sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("y", a.dtype.type([value]))]))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
BROKEN = """
class TritonPythonModel:
    def initialize(self, args):
        raise ValueError("weights are missing")

    def execute(self, requests):
        return []
"""
TENSORS = 'input { name: "a" data_type: TYPE_FP32 dims: [ -1 ] } output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }'
CONFIG = f'backend: "python" {TENSORS}\n'
DECOUPLED = CONFIG + "model_transaction_policy { decoupled: true }\n"
STEP = 'model_name: "adder" model_version: -1'
CHAIN = f"""
platform: "ensemble" {TENSORS}
ensemble_scheduling {{
  step [
    {{ {STEP} input_map {{ key: "a" value: "a" }} output_map {{ key: "y" value: "half" }} }},
    {{ {STEP} input_map {{ key: "a" value: "half" }} output_map {{ key: "y" value: "y" }} }}
  ]
}}
"""
PARAMS = ["--model-repository=models", "--model-control-mode=explicit", "--allow-http=true"]


def repository(folder: Path, models: Mapping[str, tuple[str, str]]) -> Path:
    """A descriptor's folder with a repository in it: model → its configuration and code (none: an ensemble)."""
    for name, (config, code) in models.items():
        place = folder / "models" / name
        place.mkdir(parents=True)
        (place / "config.pbtxt").write_text(config)
        if code:
            (place / "1").mkdir()
            (place / "1" / "model.py").write_text(code)
    return folder


def descriptor(folder: Path, *params: str, **more: Any) -> Path:
    metadata = {"instance": 1, "cpu": 1, "memory": 900}
    raw = {"name": "t", "processor": "triton", "processor_params": list(params), "metadata": metadata, **more}
    (folder / "service.json").write_text(json.dumps(raw))
    return folder / "service.json"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One hub, and so one environment, for all of these."""
    home = tmp_path_factory.mktemp("hub") / "home"
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLSERVE_")]:
            patch.delenv(name)
        patch.setenv("MLSERVE_HOME", str(home))
        patch.setenv("MLSERVE_GATEWAY", "127.0.0.1:0")
        try:
            with mlserve.connect() as client:
                yield client
        finally:
            stop_everything(home)


@pytest.fixture(scope="module")
def service(hub: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Several models, one of which can't be loaded, and one that is loaded by hand."""
    models = {
        "adder": (CONFIG, ADDER),
        "repeater": (DECOUPLED, REPEATER),
        "chain": (CHAIN, ""),
        "broken": (CONFIG, BROKEN),
        "later": (CONFIG, ADDER),
    }
    folder = repository(tmp_path_factory.mktemp("several"), models)
    loaded = [f"--load-model={name}" for name in models if name != "later"]
    made = hub.services.create(descriptor(folder, *PARAMS, *loaded)).wait(timeout=120)
    yield made
    made.delete()


@pytest.fixture(scope="module")
def row() -> Any:
    return np.array([1, 2, 3], np.float32)


def asked(kind: Any, row: Any) -> list[Any]:
    made = kind.InferInput("a", list(row.shape), "FP32")
    made.set_data_from_numpy(row)
    return [made]


def token(service: Service) -> dict[str, str]:
    return {"Authorization": service.token}


def call(service: Service) -> dict[str, str]:
    return {"authorization": service.token, "x-mlserve-service": service.name}


def address(service: Service) -> str:
    return str(service.endpoint).removeprefix("http://")


def test_the_known_options_are_those_of_the_server_that_runs() -> None:
    python = heavy.python_with(*REQUIREMENTS)
    code = "import pytriton, pathlib; print(pathlib.Path(pytriton.__file__).parent)"
    package = Path(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip())
    libraries = {"LD_LIBRARY_PATH": str(package.parent / "nvidia_pytriton.libs")}
    program = package / "tritonserver" / "bin" / "tritonserver"
    shown = subprocess.run([program, "--help"], env=libraries, capture_output=True, text=True, check=False)
    known = Path(sys.modules[document.__module__].__file__ or "").with_name("options.json")
    assert known.read_text() == document(shown.stdout or shown.stderr, options().version, options().wheel)


def test_http_is_answered_to_those_with_the_token_only(service: Service, row: Any) -> None:
    with triton_http.InferenceServerClient(address(service)) as client:
        assert client.is_server_ready(headers=token(service))
        assert client.get_server_metadata(headers=token(service))["version"] == options().version
        found = client.infer("adder", asked(triton_http, row), headers=token(service))
        assert found.as_numpy("y").tolist() == [2, 3, 4]
        with pytest.raises(InferenceServerException, match="token"):
            client.infer("adder", asked(triton_http, row))


def test_an_ensemble_is_served_though_its_empty_folder_got_lost(service: Service, row: Any) -> None:
    with triton_http.InferenceServerClient(address(service)) as client:
        found = client.infer("chain", asked(triton_http, row), headers=token(service))
    assert found.as_numpy("y").tolist() == [3, 4, 5]


def test_an_asynchronous_client_is_answered_as_well(service: Service, row: Any) -> None:
    async def ask() -> Any:
        async with triton_aio.InferenceServerClient(address(service)) as client:
            one = client.infer("adder", asked(triton_aio, row), headers=token(service))
            return await asyncio.gather(one, client.is_model_ready("adder", headers=token(service)))

    answer, ready = asyncio.run(ask())
    assert ready
    assert answer.as_numpy("y").tolist() == [2, 3, 4]


def test_calls_and_streams_of_grpc_are_answered(service: Service, row: Any) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    with triton_grpc.InferenceServerClient(address(service).partition("/")[0]) as client:
        found = client.infer("adder", asked(triton_grpc, row), headers=call(service))
        assert found.as_numpy("y").tolist() == [2, 3, 4]
        client.start_stream(
            lambda result, error: answers.put(error or result.as_numpy("y").tolist()), headers=call(service)
        )
        client.async_stream_infer("repeater", asked(triton_grpc, row))
        assert [answers.get(timeout=10) for _ in range(3)] == [[1], [2], [3]]
        client.stop_stream()
        with pytest.raises(InferenceServerException, match="token"):
            client.infer("adder", asked(triton_grpc, row), headers={**call(service), "authorization": "wrong"})


def test_metrics_come_from_their_own_port_and_only_with_the_token(service: Service) -> None:
    question = urllib.request.Request(f"{service.endpoint}/metrics", headers=token(service))
    with urllib.request.urlopen(question) as answer:
        assert b"nv_inference_request_success" in answer.read()
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{service.endpoint}/metrics")


def test_the_sdk_asks_with_arrays_and_as_the_protocol_has_it(service: Service, row: Any) -> None:
    assert service.predict({"a": row}, model="adder")["y"].tolist() == [2, 3, 4]
    assert service.predict({"a": [1, 2]}, model="adder")["y"].dtype == np.float32
    raw = {"inputs": [{"name": "a", "shape": [2], "datatype": "FP32", "data": [1, 2]}]}
    assert service.predict(raw, model="adder")["outputs"][0]["data"] == [2, 3]
    with pytest.raises(InvalidInput, match=r"several models \(adder, chain, repeater\)"):
        service.predict({"a": row})
    with pytest.raises(InvalidInput, match="no input b"):
        service.predict({"b": row}, model="adder")
    with pytest.raises(InvalidInput, match="the values of a"):
        service.predict({"a": [[1], [1, 2]]}, model="adder")
    with pytest.raises(NotFound, match="nobody") as caught:
        service.predict({"a": row}, model="nobody")
    assert "mlserve models" in caught.value.hint


def test_one_bad_model_is_named_and_the_others_serve(service: Service) -> None:
    states = {model["name"]: model["state"] for model in service.models()}
    assert states == {
        "adder": "READY", "broken": "UNAVAILABLE", "chain": "READY", "later": "UNLOADED", "repeater": "READY",
    }  # fmt: skip
    (broken,) = [model for model in service.models() if model["name"] == "broken"]
    assert broken["reason"] == "ValueError: weights are missing"
    facts = service.reload().instances()[0]["facts"]
    assert facts["warnings"] == ["model broken: ValueError: weights are missing"]


def test_models_are_loaded_and_unloaded_by_hand(service: Service, row: Any) -> None:
    states = {model["name"]: model["state"] for model in service.load_model("later")}
    assert states["later"] == "READY"
    assert service.predict({"a": row}, model="later")["y"].tolist() == [2, 3, 4]
    states = {model["name"]: model["state"] for model in service.unload_model("later")}
    assert states["later"] != "READY"
    with pytest.raises(RequestFailed, match="weights are missing"):
        service.load_model("broken")
    with pytest.raises(NotFound, match="nobody"):
        service.load_model("nobody")


def test_the_command_line_lists_changes_and_asks_models(service: Service) -> None:
    def mlserve_(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mlserve_cli", *words]
        return subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=90, check=False
        )

    assert ["adder", "1", "READY"] in [line.split() for line in mlserve_("models", "t").stdout.splitlines()]
    loaded = json.loads(mlserve_("models", "t", "load", "later", "-o", "json").stdout)
    assert [model["state"] for model in loaded if model["name"] == "later"] == ["READY"]
    assert json.loads(mlserve_("predict", "t", "--model", "later", "--data", '{"a": [1, 2]}').stdout) == {
        "y": [2.0, 3.0]
    }
    assert mlserve_("models", "t", "unload", "later").returncode == 0
    assert mlserve_("models", "t", "drop", "later").returncode == 2
    assert mlserve_("predict", "t", "--data", '{"a": [1]}').returncode == 2, "several models: one has to be named"


def test_a_killed_server_is_started_again_and_serves(service: Service, row: Any) -> None:
    (before,) = service.reload().instances()
    os.kill(before["pid"], signal.SIGKILL)

    def again() -> bool:
        (now,) = service.reload().instances()
        return bool(now["restarts"] == before["restarts"] + 1 and now["state"] == "Ready")

    until(again, "another server")
    assert service.predict({"a": row}, model="adder")["y"].tolist() == [2, 3, 4]


def test_models_can_t_be_changed_by_hand_unless_that_was_said(hub: Client, tmp_path: Path) -> None:
    folder = repository(tmp_path, {"adder": (CONFIG, ADDER)})
    made = hub.services.create(descriptor(folder, "--model-repository=models", name="fixed")).wait(timeout=120)
    with pytest.raises(Conflict, match="can't be loaded by hand") as caught:
        made.load_model("adder")
    assert "--model-control-mode=explicit" in caught.value.hint
    assert made.predict({"a": [1.5]})["y"].tolist() == [2.5], "the only model need not be named"
    pid = made.instances()[0]["pid"]
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    made.delete()
    _, alive = psutil.wait_procs(family, timeout=15)
    assert alive == []


def test_a_request_that_is_under_way_is_answered_before_the_server_ends(hub: Client, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    wait = f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(2)\n\n        def answer"
    slow = ADDER.replace("def answer", wait)
    folder = repository(tmp_path, {"slow": (CONFIG, slow)})
    made = hub.services.create(descriptor(folder, "--model-repository=models", name="slow")).wait(timeout=120)
    begun.unlink(missing_ok=True)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(made.predict, {"a": [1]})
        until(begun.exists, "its first request")
        made.stop().wait(timeout=30)
        assert answer.result(10)["y"].tolist() == [2]
    assert list(made.reload().instances()) == []
    made.delete()


def test_a_model_s_own_requirements_are_installed(hub: Client, tmp_path: Path) -> None:
    code = ADDER.replace("import triton", "import humanize\nimport triton", 1)
    folder = repository(tmp_path, {"adder": (CONFIG, code)})
    with pytest.raises(StartFailed, match="humanize") as caught:
        hub.services.create(descriptor(folder, "--model-repository=models", name="lacking")).wait(timeout=120)
    assert caught.value.details[0]["cause"] == "missing-library"
    assert "adder/requirements.txt" in caught.value.details[0]["hint"]
    (folder / "models" / "adder" / "requirements.txt").write_text("humanize>=4\n")
    made = hub.services.create(descriptor(folder, "--model-repository=models", name="having")).wait(timeout=120)
    assert made.predict({"a": [1]})["y"].tolist() == [2]
    made.delete()


def test_a_repository_whose_models_are_all_bad_fails_with_each_reason(hub: Client, tmp_path: Path) -> None:
    folder = repository(tmp_path, {"one": (CONFIG, BROKEN), "two": (CONFIG, BROKEN.replace("weights", "words"))})
    with pytest.raises(StartFailed, match=r"none of the 2 models .*one: .*weights are missing; two: .*words"):
        hub.services.create(descriptor(folder, "--model-repository=models", name="bad")).wait(timeout=120)
    (failure, *_) = hub.services.get("bad").why()
    assert (failure["phase"], failure["cause"]) == ("load", "load-exception")
    assert {frame["function"] for frame in failure["frames"]} == {"initialize"}


def test_a_model_that_never_gets_ready_is_given_up_with_all_its_processes(hub: Client, tmp_path: Path) -> None:
    stuck = BROKEN.replace('raise ValueError("weights are missing")', "import time; time.sleep(600)")
    folder = repository(tmp_path, {"stuck": (CONFIG, stuck)})
    asked = descriptor(folder, "--model-repository=models", name="stuck", startup_timeout=4)
    with pytest.raises(StartFailed, match=r"within 4 s \(startup_timeout\): it was still loading"):
        hub.services.create(asked).wait(timeout=60)
    home = os.environ["MLSERVE_HOME"]
    ours = [one for one in psutil.process_iter() if _of(one, f"{home}/instances/stuck")]
    _, alive = psutil.wait_procs(ours, timeout=15)
    assert alive == []


def _of(process: psutil.Process, folder: str) -> bool:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return process.cwd().startswith(folder) and process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.fixture
def bucket(s3_endpoint: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """S3 as a hub of the test's own knows it."""
    for name, value in {"ENDPOINT_URL_S3": s3_endpoint, "ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    return s3_client(s3_endpoint)


def test_a_repository_that_is_polled_on_s3_is_read_by_the_server_itself(
    bucket: Any, tmp_path: Path, client: Client
) -> None:
    put(bucket, "first")
    params = ["--model-repository=s3://models/polled", "--model-control-mode=poll", "--repository-poll-secs=1"]
    made = client.services.create(descriptor(tmp_path, *params, name="polled")).wait(timeout=120)
    assert [model["name"] for model in made.models()] == ["first"]
    put(bucket, "second")
    until(lambda: {model["state"] for model in made.models()[1:]} == {"READY"}, "the second model")
    assert [(model["name"], model["state"]) for model in made.models()] == [("first", "READY"), ("second", "READY")]
    server = psutil.Process(made.instances()[0]["pid"])
    assert not {"secret", "key"} & {*server.cmdline(), *server.environ().values()}
    assert "secret" not in "".join(line.text for line in made.logs())


def put(bucket: Any, model: str) -> None:
    bucket.put_object(Bucket="models", Key=f"polled/{model}/config.pbtxt", Body=CONFIG.encode())
    bucket.put_object(Bucket="models", Key=f"polled/{model}/1/model.py", Body=ADDER.encode())


def test_nothing_is_started_for_options_or_models_that_can_t_work(hub: Client, tmp_path: Path) -> None:
    folder = repository(tmp_path, {"adder": (CONFIG, "def broken(:\n")})
    wrong = descriptor(folder, "--model-repository=models", "--loadmodel=a", name="wrong")
    with pytest.raises(InvalidDescriptor, match="--load-model") as caught:
        hub.services.create(wrong)
    assert caught.value.details[0]["pointer"] == "/processor_params/1"
    unread = descriptor(folder, "--model-repository=models", name="unread")
    with pytest.raises(StartFailed, match=r"model adder: 1/model.py, line 1"):
        hub.services.create(unread).wait(timeout=60)
    report = hub.validate(unread)
    assert not report["valid"]
    assert "model adder" in report["errors"][0]["message"]
