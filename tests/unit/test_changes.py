"""What a submission changes: what it means counts, not how it is spelled, and no secret is told."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlserve.descriptor import parse
from mlserve.hub.changes import Applies, Change, Side, changed_files, changes, makes_a_version, refusals

IRIS = {"name": "iris", "processor": "onnx", "model_path": "iris.onnx", "metadata": {"instance": 1, "memory": 512}}


def side(raw: dict[str, Any], resource: str = "local", **files: str) -> Side:
    descriptor = parse(raw).descriptor
    return Side(
        raw, descriptor, resource, descriptor.metadata.instance, {f"/{key}": value for key, value in files.items()}
    )


def change(raw: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**raw, **more, "metadata": {**raw["metadata"], **more.get("metadata", {})}}


def told(old: dict[str, Any] | None, new: dict[str, Any]) -> list[Change]:
    return list(changes(side(old) if old else None, side(new)))


@pytest.mark.parametrize(
    "same",
    [
        {
            "name": "iris",
            "processor": "onnx",
            "model_path": "iris.onnx",
            "metadata.instance": 1,
            "metadata.memory": 512,
        },
        {
            "processor": "onnx",
            "model_path": "iris.onnx",
            "metadata": {"name": "iris", "instance": "1", "memory": "512"},
        },
        change(IRIS, metadata={"rpc": {"keepalive": 60000}, "gpu": None, "resource": "local"}, retry=True),
        change(IRIS, metadata={"rpc.keepalive": 60000}, startup_timeout="10m"),
    ],
)
def test_another_spelling_and_a_default_that_is_written_out_change_nothing(same: dict[str, Any]) -> None:
    assert told(IRIS, same) == []


def test_a_field_that_changed_is_told_with_its_pointer_and_what_it_takes() -> None:
    new = change(IRIS, metadata={"instance": 3, "memory": 1024, "rpc.keepalive": 100}, label="flowers")
    assert [(one.pointer, one.old, one.new, one.applies) for one in told(IRIS, new)] == [
        ("/label", None, "flowers", Applies.REPLACE),
        ("/metadata/instance", 1, 3, Applies.LIVE),
        ("/metadata/memory", 512, 1024, Applies.REPLACE),
        ("/metadata/rpc/keepalive", 60000, 100, Applies.REPLACE),
    ]


def test_only_another_number_of_instances_makes_no_version_and_neither_does_what_has_no_meaning_here() -> None:
    found = changes(side(IRIS), side(change(IRIS, metadata={"instance": 2, "region": "eu"})))
    assert [(one.pointer, one.applies) for one in found] == [
        ("/metadata/instance", Applies.LIVE),
        ("/metadata/region", Applies.NEVER),
    ]
    assert "not applied here" in found[1].reason
    assert not makes_a_version(found)
    assert not list(refusals(found))


def test_another_resource_group_is_refused() -> None:
    found = changes(side(IRIS), side(IRIS, resource="box"))
    assert [(one.pointer, one.old, one.new) for one in refusals(found)] == [("/metadata/resource", "local", "box")]


def test_files_that_changed_behind_the_same_field_make_a_version() -> None:
    old, new = side(IRIS, model_path="sha256:1"), side(IRIS, model_path="sha256:2")
    assert changes(old, new) == ()
    found = changed_files(old, new)
    assert found == (Change("/model_path", "sha256:1", "sha256:2", Applies.REPLACE),)
    assert makes_a_version(found)
    assert changed_files(old, old) == ()


def test_of_a_new_service_what_its_writer_said_is_told() -> None:
    found = told(None, change(IRIS, metadata={"rpc.keepalive": 5, "qos": "high"}))
    assert [(one.pointer, one.new, one.applies) for one in found] == [
        ("/name", "iris", Applies.NEW),
        ("/processor", "onnx", Applies.NEW),
        ("/model_path", "iris.onnx", Applies.NEW),
        ("/metadata/instance", 1, Applies.NEW),
        ("/metadata/memory", 512, Applies.NEW),
        ("/metadata/rpc/keepalive", 5, Applies.NEW),
        ("/metadata/qos", "high", Applies.NEVER),
    ]


SECRET = st.text(alphabet="qxzQXZ789", min_size=12, max_size=20)


def encoded(one: str) -> str:
    return base64.b64encode(f"me:{one}".encode()).decode()


def with_secrets(one: str) -> dict[str, Any]:
    return change(
        IRIS,
        token=one,
        dockerAuth=encoded(one),
        processor_envs=[{"name": "DB_PASSWORD", "value": one}, {"name": "URL", "value": f"http://me:{one}@host/"}],
        model_config={"deep": {"api_key": one}, "list": [{"password": {"is": one}}]},
        metadata={"region": f"https://me:{one}@cloud"},
    )


@given(SECRET, SECRET)
def test_no_secret_is_ever_told_neither_the_old_nor_the_new_one(old: str, new: str) -> None:
    pairs = ((None, with_secrets(new)), (IRIS, with_secrets(new)), (with_secrets(old), IRIS))
    for before, after in (*pairs, (with_secrets(old), with_secrets(new))):
        text = json.dumps([asdict(one) for one in told(before, after)])
        assert not any(secret in text for one in (old, new) for secret in (one, encoded(one)))
    if old != new:
        pointers = {one.pointer for one in told(with_secrets(old), with_secrets(new))}
        assert {"/token", "/dockerAuth", "/processor_envs/0/value", "/model_config/deep/api_key"} <= pointers


A1, A2, B = {"name": "A", "value": "1"}, {"name": "A", "value": "2"}, {"name": "B", "value": "1"}
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "label": st.sampled_from(["", "a", "b"]),
        "retry": st.booleans(),
        "labels": st.dictionaries(st.sampled_from(["a.b", "c"]), st.sampled_from(["1", "2"])),
        "model_config": st.dictionaries(
            st.sampled_from(["x", "y"]), st.sampled_from([1, 1.0, True, None, [1], [1, 2]])
        ),
        "processor_envs": st.sampled_from([[], [A1], [A2], [A1, B]]),
        "startup_timeout": st.sampled_from([600, "10m", "5m"]),
        "access_log": st.sampled_from([True, "true", False, None]),
    },
)


@given(FIELDS, FIELDS)
def test_there_is_a_change_exactly_where_what_is_read_differs(old: dict[str, Any], new: dict[str, Any]) -> None:
    before, after = ({**IRIS, **fields} for fields in (old, new))
    means = [read(before), read(after)]
    found = told(before, after)
    assert {one.pointer.split("/")[1] for one in found} == {key for key in means[0] if means[0][key] != means[1][key]}
    back = {one.pointer: (repr(one.new), repr(one.old)) for one in told(after, before)}
    assert back == {one.pointer: (repr(one.old), repr(one.new)) for one in found}


def read(raw: dict[str, Any]) -> dict[str, str]:
    """Field → what it means, as JSON, which tells 1, 1.0 and true apart."""
    values = parse(raw).descriptor.model_dump(mode="json", by_alias=True)
    return {key: json.dumps(value, sort_keys=True) for key, value in values.items()}
