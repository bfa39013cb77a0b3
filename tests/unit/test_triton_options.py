"""What a descriptor says to a Triton server, checked before there is one."""

from __future__ import annotations

import pytest

from mlserve.descriptor import Descriptor, local_paths, parse, paths_of
from mlserve.descriptor.paths import is_path, read_elsewhere
from mlserve.engines.base import Artifacts, Launch
from mlserve.engines.triton.engine import TritonEngine
from mlserve.engines.triton.options import options
from mlserve.engines.triton.wishes import wished
from mlserve.errors import InvalidDescriptor

REPOSITORY = "--model-repository=models"


def descriptor(*params: str, **more: object) -> Descriptor:
    raw = {"name": "t", "processor": "triton", "processor_params": list(params), "metadata": {"instance": 1, "cpu": 1}}
    return parse({**raw, **more}).descriptor


def command(*params: str, **more: object) -> tuple[str, ...]:
    found = {"/processor_params/0": "/content/models", "/model_path": "/content/others"}
    launch = Launch("t", 1, "/env/bin/python", "/only/mlserve")
    return TritonEngine().workload(descriptor(*params, **more), Artifacts(found), launch).command


def refusal(*params: str) -> list[dict[str, str]]:
    with pytest.raises(InvalidDescriptor) as caught:
        wished(descriptor(*params))
    return list(caught.value.details)


def test_what_the_server_knows_reaches_it_as_it_is() -> None:
    asked = ("--allow-http=true", "--log-verbose=1", "--backend-config=python,shm-default-byte-size=1048576")
    assert command(REPOSITORY, *asked)[-3:] == asked


def test_the_repository_is_where_its_files_are_here() -> None:
    assert "--model-repository=/content/models" in command(REPOSITORY)
    assert "--model-repository=/content/models" in command("--model-store=models")


def test_model_path_is_a_repository_too() -> None:
    assert "--model-repository=/content/others" in command(model_path="others")


def test_ports_addresses_and_the_wait_at_the_end_are_ours() -> None:
    words = command(REPOSITORY)
    assert {"--http-port={port}", "--grpc-port={grpc_port}", "--metrics-port={metrics_port}"} <= set(words)
    assert {"--http-address=127.0.0.1", "--grpc-address=127.0.0.1", "--metrics-address=127.0.0.1"} <= set(words)
    assert "--exit-timeout-secs=28" in words


def test_one_bad_model_leaves_the_others_unless_that_is_asked_for() -> None:
    assert {"--exit-on-error=false", "--strict-readiness=false"} <= set(command(REPOSITORY))
    strict = command(REPOSITORY, "--exit-on-error=true", "--strict-readiness=true")
    assert [word for word in strict if "exit-on-error" in word or "readiness" in word] == list(strict[-2:])


def test_an_option_that_is_ours_is_taken_over_with_a_warning_that_says_so() -> None:
    found = wished(descriptor(REPOSITORY, "--http-port=8000", "--metrics-address=0.0.0.0"))
    assert not found.kept
    assert [warning["pointer"] for warning in found.warnings] == ["/processor_params/1", "/processor_params/2"]
    assert "--http-port=8000 is not applied: each instance gets ports of its own" in found.warnings[0]["message"]


def test_http_stays_on_and_grpc_may_be_off() -> None:
    found = wished(descriptor(REPOSITORY, "--allow-http=false", "--allow-grpc=false", "--allow-metrics=0"))
    assert "--allow-http=false is not applied" in found.warnings[0]["message"]
    assert found.kept == ("--allow-grpc=false", "--allow-metrics=0")
    launch = Launch("t", 1, "/env/bin/python", "/only/mlserve")
    asked = descriptor(REPOSITORY, "--allow-grpc=false", "--allow-metrics=0")
    assert TritonEngine().workload(asked, Artifacts({}), launch).ports == ()


def test_an_unknown_option_is_refused_with_the_nearest_name_at_its_own_place() -> None:
    assert refusal(REPOSITORY, "--modelcontrol-mode=poll") == [
        {
            "pointer": "/processor_params/1",
            "code": "unknown-option",
            "message": f"--modelcontrol-mode is no option of tritonserver {options().version}, "
            "the nearest is --model-control-mode",
            "nearest": "--model-control-mode",
        }
    ]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("--log-info=maybe", 'is true or false, not "maybe"'),
        ("--exit-timeout-secs=soon", "is a whole number"),
        ("--metrics-interval-ms=often", "is a number"),
        ("--log-info", "has no value"),
        ("--disable-auto-complete-config=true", "takes no value"),
        ("--help", "serves nothing"),
        ("models", "is no option"),
    ],
)
def test_a_wrong_value_is_named(word: str, said: str) -> None:
    found = refusal(REPOSITORY, word)
    assert [detail["pointer"] for detail in found] == ["/processor_params/1"]
    assert said in found[0]["message"]


def test_every_mistake_is_told_at_once() -> None:
    assert [detail["pointer"] for detail in refusal("--foo=1", REPOSITORY, "--log-info=2")] == [
        "/processor_params/2",
        "/processor_params/0",
    ]


def test_an_option_twice_is_a_conflict_unless_it_may_be_repeated() -> None:
    assert refusal(REPOSITORY, "--id=a", "--id=b")[0]["code"] == "conflict"
    twice = ("--load-model=a", "--load-model=b", "--metrics-config=a=1", "--metrics-config=b=1")
    assert wished(descriptor(REPOSITORY, *twice)).kept == twice


def test_without_a_repository_there_is_nothing_to_serve() -> None:
    assert refusal("--allow-http=true")[0]["code"] == "missing"


def test_a_value_may_be_an_item_of_its_own() -> None:
    found = descriptor("--model-repository", "models", "--log-verbose", "1")
    assert wished(found).kept == ("--log-verbose=1",)
    assert wished(found).repositories == ("/processor_params/1",)
    assert paths_of(found) == {"/processor_params/1": "models"}


def test_a_local_repository_is_a_path_that_a_client_sends() -> None:
    raw = {"name": "t", "processor": "triton", "processor_params": ["--allow-http=true", REPOSITORY]}
    assert local_paths(raw) == {"/processor_params/1": "models"}
    assert local_paths({**raw, "processor": "onnx"}) == {}
    assert local_paths({**raw, "processor_params": ["--model-repository=oss://bucket/models"]}) == {}
    assert is_path("processor_params.1", REPOSITORY)
    assert not is_path("processor_params.1", "--log-verbose=1")


def test_a_repository_that_the_server_polls_on_s3_is_left_to_it() -> None:
    s3, poll = "--model-repository=s3://bucket/models", "--model-control-mode=poll"
    assert paths_of(descriptor(s3)) == {"/processor_params/0": "s3://bucket/models"}
    polled = descriptor(s3, poll)
    assert paths_of(polled) == {}
    assert read_elsewhere(polled) == {"/processor_params/0": "s3://bucket/models"}
    assert "--model-repository=s3://bucket/models" in command(s3, poll)


def test_in_a_container_the_starter_and_the_models_come_along() -> None:
    launch = Launch("t", 1, "python", "/mlserve/runtime", host="0.0.0.0")
    found = Artifacts({"/processor_params/0": "/content/models"})
    workload = TritonEngine().workload(descriptor(REPOSITORY), found, launch)
    assert [mount.path for mount in workload.mounts] == ["/mlserve/runtime/mlserve/triton", "/mlserve/models/0"]
    assert workload.mounts[1].source == "/content/models"
    assert "--model-repository=/mlserve/models/0" in workload.command
    assert "--http-address=0.0.0.0" in workload.command
