"""Descriptors: every published shape is read, every field is sorted, every mistake is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlserve.descriptor import BACKENDS, EVERYTHING, LOCAL, local_paths, masked, parse, read_file
from mlserve.descriptor.fields import Sort, known, places
from mlserve.descriptor.pointers import dotted
from mlserve.errors import Detail, InvalidDescriptor

EAS = Path(__file__).parent.parent / "data" / "eas"
IRIS: dict[str, Any] = {"name": "iris", "processor": "onnx", "model_path": "iris.onnx"}


def with_(**fields: Any) -> dict[str, Any]:
    return {**IRIS, **fields}


def mistakes(raw: Any, supported: frozenset[str] = LOCAL) -> dict[str, Detail]:
    with pytest.raises(InvalidDescriptor) as caught:
        parse(raw, supported=supported)
    return {detail["pointer"]: detail for detail in caught.value.details}


@pytest.mark.parametrize(
    "name",
    [
        "triton",
        "name_in_metadata",
        "instance_type",
        "nested_rpc",
        "trailing_comma",
        "comment",
        "python_processor",
        "dotted_options",
    ],
)
def test_the_shapes_of_published_descriptors_are_accepted(name: str) -> None:
    assert parse(read_file(EAS / f"{name}.json")).descriptor.name


def test_name_and_rpc_may_be_dotted_or_nested() -> None:
    found = parse(read_file(EAS / "name_in_metadata.json")).descriptor
    assert (found.name, found.metadata.rpc.keepalive, found.metadata.rpc.max_queue_size) == ("forest_a", 5000, 100)
    assert found.metadata.termination_grace_period == 60
    dotted_form = parse(read_file(EAS / "dotted_options.json")).descriptor
    assert (dotted_form.name, dotted_form.metadata.rpc.keepalive, dotted_form.metadata.instance) == ("dotted", 5000, 3)


def test_what_has_no_meaning_here_is_named_in_a_warning() -> None:
    parsed = parse(read_file(EAS / "nested_rpc.json"))
    assert parsed.descriptor.generate_token is False
    assert parsed.descriptor.config == '{"depth": 3}'
    assert {warning["pointer"] for warning in parsed.warnings} == {
        "/cloud/computing/instances",
        "/cloud/networking/vpc_id",
        "/cloud/networking/vswitch_id",
        "/cloud/networking/security_group_id",
        "/metadata/rpc/io_threads",
        "/metadata/qos",
    }
    assert {warning["code"] for warning in parsed.warnings} == {"not-applicable"}


def test_an_instance_type_is_accepted_without_cpu_or_memory() -> None:
    parsed = parse(read_file(EAS / "instance_type.json"))
    assert parsed.descriptor.metadata.cpu is None
    assert parsed.descriptor.config == {}
    assert [warning["pointer"] for warning in parsed.warnings] == [
        "/metadata/workspace_id",
        "/cloud/computing/instance_type",
    ]


def test_what_this_backend_lacks_is_refused_with_the_backends_that_have_it() -> None:
    found = mistakes(read_file(EAS / "kitchen_sink.json"))
    assert found["/containers"]["code"] == "unsupported"
    assert found["/containers"]["backends"] == ["docker"]
    assert "docker" in found["/containers"]["message"]
    assert "hidden" not in str(found)
    assert set(found) == {
        "/containers",
        "/dockerAuth",
        "/storage",
        "/autoscaler",
    }
    assert {detail["code"] for detail in found.values()} == {"unsupported"}


def test_what_no_backend_has_is_refused_by_all_of_them() -> None:
    for able in BACKENDS.values():
        found = mistakes(read_file(EAS / "grouped.yaml"), able)
        assert set(found) == {"/metadata/type", "/queue"}
        assert "no backend has it yet" in found["/queue"]["message"]


def test_containers_are_read_where_images_are_supported() -> None:
    raw = {"name": "a", "containers": [{"image": "x:1", "port": 80, "env": [{"name": "A", "value": 1}]}]}
    container = parse(raw, supported=BACKENDS["docker"]).descriptor.containers[0]
    assert (container.image, container.port, container.env[0].value) == ("x:1", 80, "1")
    raw["containers"][0]["imag"] = "y"  # type: ignore[index]
    assert mistakes(raw, BACKENDS["docker"])["/containers/0/imag"]["nearest"] == "image"
    both = with_(containers=[{"image": "x:1"}])
    assert parse(both, supported=BACKENDS["docker"]).descriptor.processor == "onnx"


@pytest.mark.parametrize(
    ("raw", "pointer", "nearest"),
    [
        (with_(procesor="x"), "/procesor", "processor"),
        (with_(metadata={"instnce": 1}), "/metadata/instnce", "instance"),
        (with_(metadata={"rpc.keepalve": 1}), "/metadata/rpc.keepalve", "keepalive"),
        (with_(cpu=1), "/cpu", "metadata.cpu"),
        (with_(keepalive=1), "/keepalive", "metadata.rpc.keepalive"),
        (with_(**{"a/b~c": 1}), "/a~1b~0c", None),
        (with_(cloud={"computing": {"instance_typ": "a"}}), "/cloud/computing/instance_typ", "instance_type"),
        (with_(processor_envs=[{"nam": "A", "name": "B"}]), "/processor_envs/0/nam", "name"),
    ],
)
def test_an_unknown_field_is_refused_with_its_pointer_and_the_nearest_name(
    raw: dict[str, Any], pointer: str, nearest: str | None
) -> None:
    found = mistakes(raw)[pointer]
    assert found["code"] == "unknown-field"
    assert found.get("nearest") == nearest


@pytest.mark.parametrize(
    ("raw", "pointer", "says"),
    [
        (with_(name="Iris"), "/name", "a-z"),
        (with_(name="a" * 64), "/name", "63"),
        (with_(name="iris\n"), "/name", "a-z"),
        (with_(metadata={"cpu": 0}), "/metadata/cpu", "more than 0"),
        (with_(metadata={"cpu": True}), "/metadata/cpu", "true or false"),
        (with_(metadata={"memory": -5}), "/metadata/memory", "more than 0"),
        (with_(metadata={"memory": "4GB"}), "/metadata/memory", "whole number"),
        (with_(metadata={"instance": 1001}), "/metadata/instance", "at most 1000"),
        (with_(metadata={"instance": 1.5}), "/metadata/instance", "whole number"),
        (with_(metadata={"rpc.keepalive": 0}), "/metadata/rpc.keepalive", "at least 1"),
        (with_(metadata={"rpc": 5}), "/metadata/rpc", "object"),
        (with_(metadata=[]), "/metadata", "object"),
        (with_(networking={"max_body": "64 apples"}), "/networking/max_body", "64MB"),
        (with_(startup_timeout="soon"), "/startup_timeout", "10m"),
        (with_(port="http", command="serve", processor=None), "/port", "whole number"),
        (with_(processor_envs={"A": 1}), "/processor_envs", "list"),
        (with_(processor_envs=[{"name": "9"}]), "/processor_envs/0/name", ""),
        (with_(processor_envs=[{"name": "MLSERVE_RUNTIME", "value": ""}]), "/processor_envs/0", "itself"),
        (with_(model_config=[1]), "/model_config", ""),
        (with_(metadata={"cpu": 10**30}), "/metadata/cpu", "too large"),
        (with_(metadata={"cpu": float("nan")}), "/metadata/cpu", "finite"),
        (with_(label="a\0b"), "/label", "NUL"),
        (with_(metadata={"name": "other"}), "/metadata/name", "twice"),
        (with_(metadata={"rpc": {"keepalive": 1}, "rpc.keepalive": 2}), "/metadata/rpc.keepalive", "twice"),
    ],
)
def test_a_wrong_value_is_refused_at_its_own_place(raw: dict[str, Any], pointer: str, says: str) -> None:
    found = mistakes(raw)
    assert says in found[pointer]["message"]
    assert found[pointer]["code"] in ("invalid", "conflict")


@pytest.mark.parametrize(
    ("raw", "pointer", "code"),
    [
        ({"name": "a"}, "", "missing"),
        ({"processor": "onnx", "model_path": "m"}, "/name", "missing"),
        ({"name": "a", "processor": "onnx"}, "/model_path", "missing"),
        ({"name": "a", "processor_type": "python", "processor_entry": "a.py"}, "/processor_path", "missing"),
        ({"name": "a", "processor_type": "python", "processor_path": "."}, "/processor_entry", "missing"),
        (with_(processor_entry="a.py"), "/processor_entry", "invalid"),
        (with_(processor_type="python", processor_path=".", processor_entry="a.py"), "/processor_type", "conflict"),
        (
            {"name": "a", "processor_type": "python", "processor_path": ".", "processor_entry": "../a.py"},
            "/processor_entry",
            "invalid",
        ),
        ({"name": "a", "processor_type": "java", "processor_path": "."}, "/processor_type", "unsupported"),
        ({"name": "a", "processor_type": "cpp", "processor_path": "."}, "/processor_entry", "missing"),
        (
            {"name": "a", "processor_type": "cpp", "processor_path": ".", "processor_entry": "a.c"},
            "/processor_entry",
            "invalid",
        ),
        ({"name": "a", "processor_type": "perl", "processor_path": "."}, "/processor_type", "invalid"),
        ({"name": "a", "command": "python app.py"}, "/port", "missing"),
        (with_(port=80), "/port", "invalid"),
        (with_(env=[{"name": "A", "value": "1"}]), "/env", "invalid"),
        (with_(command="x", port=80), "/command", "conflict"),
        ({"name": "a", "command": "python 'app.py", "port": 80}, "/command", "invalid"),
        ({"name": "a", "command": "  ", "port": 80}, "/command", "invalid"),
        (with_(processor_params=["--a"]), "/processor_params", "unsupported"),
        (with_(public=True, token="abc"), "/public", "conflict"),
        (with_(model_entry="../x"), "/model_entry", "invalid"),
    ],
)
def test_fields_have_to_fit_together(raw: dict[str, Any], pointer: str, code: str) -> None:
    assert mistakes(raw)[pointer]["code"] == code


def test_every_mistake_is_told_at_once() -> None:
    found = mistakes({"nme": "a", "autoscaler": {"min": 1}, "metadata": {"cpu": 0}})
    assert set(found) == {"/nme", "/autoscaler", "/metadata/cpu", "/name"}


def test_a_wrong_entry_of_a_list_is_not_told_of_the_list_as_well() -> None:
    told = mistakes(with_(fallback={"service": "lite", "on": ["erorr"]}))
    assert list(told) == ["/fallback/on/0"]
    assert list(mistakes(with_(fallback={"service": "lite", "on": []}))) == ["/fallback/on"]


def test_values_that_ask_for_nothing_are_not_refused() -> None:
    raw = with_(
        autoscaler={},
        storage=[],
        containers=[],
        dockerAuth="",
        queue=None,
        runtime={"enable_crash_block": False},
        unit={"size": 1},
    )
    raw["metadata"] = {"enable_grpc": "false", "type": "Standard", "gpu_core_percentage": 0, "rpc": {"rate_limit": 0}}
    raw["networking"] = {"gateway_policy": {"rate_limit": {"enable": False, "limit": 9}}}
    assert parse(raw).warnings == []


def test_defaults_are_the_ones_of_the_interface() -> None:
    found = parse(IRIS).descriptor
    assert (found.token, found.public, found.retry, found.startup_timeout, found.networking.max_body) == (
        "",
        False,
        True,
        600,
        64 << 20,
    )
    rpc = found.metadata.rpc
    assert (rpc.keepalive, rpc.max_queue_size, rpc.worker_threads, rpc.max_batch_size, rpc.max_batch_timeout) == (
        60_000,
        64,
        5,
        16,
        50,
    )
    assert (found.metadata.instance, found.metadata.cpu, found.metadata.termination_grace_period) == (1, None, 30)


@pytest.mark.parametrize(
    ("written", "seconds"), [("10m", 600), ("1h30m", 5400), (90, 90), ("90", 90), ("500ms", 0.5), ("1.5s", 1.5)]
)
def test_durations_are_read_as_people_write_them(written: Any, seconds: float) -> None:
    assert parse(with_(startup_timeout=written)).descriptor.startup_timeout == seconds


@pytest.mark.parametrize(
    ("written", "size"), [("64MB", 64 << 20), ("1 GiB", 1 << 30), (1000, 1000), ("12", 12), ("8k", 8192)]
)
def test_sizes_are_read_as_people_write_them(written: Any, size: int) -> None:
    assert parse(with_(networking={"max_body": written})).descriptor.networking.max_body == size


def test_a_public_service_gets_a_warning_and_an_empty_token_only_means_unset() -> None:
    assert [warning["code"] for warning in parse(with_(public=True)).warnings] == ["public"]
    assert parse(with_(token="")).descriptor.token == ""


def test_a_program_of_ones_own_has_command_and_port_or_takes_the_port_it_gets() -> None:
    assert parse({"name": "app", "command": "uvicorn app:app", "port": 8000}).descriptor.port == 8000
    assert parse({"name": "app", "command": "uvicorn app:app --port $PORT"}).descriptor.port is None


def test_local_paths_are_the_ones_without_a_scheme() -> None:
    raw = {
        "model_path": "a/b.onnx",
        "processor_path": "file:///srv/code",
        "warm_up_data_path": "/abs/warm.json",
        "name": "x",
    }
    assert local_paths(raw) == {"/model_path": "a/b.onnx", "/warm_up_data_path": "/abs/warm.json"}
    assert local_paths({"model_path": "", "processor_path": "git+https://x/y@main#sub"}) == {}
    assert local_paths({"model_path": 5}) == {}


def test_every_field_that_is_read_has_exactly_one_sort() -> None:
    for name in ("nested_rpc", "instance_type", "triton", "python_processor"):
        fields = parse(read_file(EAS / f"{name}.json")).fields
        assert set(fields.values()) <= {Sort.USED, Sort.NOT_APPLICABLE, Sort.UNSUPPORTED}


def test_no_field_on_any_backend_is_silently_ignored() -> None:
    for kind, able in BACKENDS.items():
        for place, node in places(known()):
            if node.sort is Sort.USED or "*" in place:
                continue
            raw: dict[str, Any] = with_()
            raw[dotted(place)] = {"some": "value"}
            refused = node.capability and node.capability not in able
            if refused:
                assert any(d["code"] == "unsupported" for d in mistakes(raw, able).values()), (kind, place)
            elif node.sort is Sort.NOT_APPLICABLE:
                assert [w["code"] for w in parse(raw, supported=able).warnings] == ["not-applicable"], (kind, place)


def test_secrets_are_masked_and_the_service_token_is_not() -> None:
    raw = read_file(EAS / "kitchen_sink.json")
    raw["processor_envs"] = [{"name": "HF_TOKEN", "value": "hidden"}, {"name": "LEVEL", "value": "3"}]
    raw["model_config"] = {"apiKey": "hidden", "keys": 3, "max_tokens": 5}
    raw["processor_params"] = ["--api-key=hidden", "--port=1"]
    raw["processor_path"] = "https://me:hidden@host/x?Signature=hidden&a=1"
    shown = masked(raw)
    assert "hidden" not in str(shown)
    assert "ZG9ja2Vy" not in str(shown)
    assert shown["token"] == "secret-of-the-service"
    assert shown["dockerAuth"] == "***"
    assert shown["storage"][2]["git"] == {"repo": "https://git.example/a.git", "username": "me", "password": "***"}
    assert shown["processor_envs"][1]["value"] == "3"
    assert shown["model_config"] == {"apiKey": "***", "keys": 3, "max_tokens": 5}
    assert shown["processor_path"] == "https://***@host/x?Signature=***&a=1"
    assert shown["metadata"] == raw["metadata"]


def test_a_secret_is_not_shown_in_an_error_or_its_cause() -> None:
    with pytest.raises(InvalidDescriptor) as caught:
        parse(with_(token="hid den", dockerAuth=["hidden"], metadata={"cpu": "x"}), supported=EVERYTHING)
    assert "hid" not in f"{caught.value} {caught.value.details} {caught.value.__cause__}"


def test_a_deep_descriptor_is_refused_without_recursion() -> None:
    bomb: Any = {}
    for _ in range(5000):
        bomb = {"a": bomb}
    assert "deep" in next(iter(mistakes(with_(model_config=bomb)).values()))["message"]
    assert mistakes(with_(**{"a." * 5000 + "b": 1}))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
field_names = st.sampled_from(
    sorted({name for place, _ in places(known()) for name in (place[0], dotted(place), place[-1])})
)


def refused(value: Any, supported: frozenset[str] = LOCAL) -> list[Detail]:
    """The details of the refusal, a reason in each; any other error is a mistake of ours."""
    try:
        parse(value, supported=supported)
        local_paths(value)
    except InvalidDescriptor as exc:
        return exc.details or [{"message": ""}]
    return []


@given(json_values)
def test_any_json_at_all_is_read_or_refused_as_a_descriptor(value: Any) -> None:
    assert all(detail["message"] for detail in refused(value))


@given(st.dictionaries(field_names, json_values | st.dictionaries(field_names, json_values, max_size=3), max_size=6))
def test_any_value_of_any_field_is_read_or_refused(fields: dict[str, Any]) -> None:
    raw = {**IRIS, **fields}
    masked(raw)
    assert all(detail["message"] for able in (LOCAL, EVERYTHING) for detail in refused(raw, able))
