"""``storage[]``: each source is read, what can't be mounted is refused, addresses hold what fetching needs."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from mlserve.descriptor import BACKENDS, LOCAL, local_paths, masked, parse
from mlserve.descriptor.mounting import sources_of
from mlserve.descriptor.schema import schema
from mlserve.errors import Detail, InvalidDescriptor

DOCKER = BACKENDS["docker"]


def with_(*entries: dict[str, Any], **fields: Any) -> dict[str, Any]:
    placed = [{"mount_path": f"/data{index}", **entry} for index, entry in enumerate(entries)]
    return {"name": "a", "containers": [{"image": "x:1", "port": 80}], "storage": placed, **fields}


def mistakes(raw: Any) -> dict[str, Detail]:
    with pytest.raises(InvalidDescriptor) as caught:
        parse(raw, supported=DOCKER)
    return {detail["pointer"]: detail for detail in caught.value.details}


OSS = {"oss": {"path": "oss://b/in"}}


def test_every_source_is_read_as_published_descriptors_write_it() -> None:
    raw = with_(
        {"oss": {"path": "oss://b/in", "readOnly": "true"}, "properties": {"resource_type": "model"}},
        {"s3": {"path": "s3://b/in", "read_only": True, "endpoint": "http://minio:9000"}},
        {"nfs": {"server": "nas.example", "resourceGroup": "rg-1"}},
        {"git": {"repo": "https://git.example/a.git", "branch": "main", "commit": ""}},
        {"image": {"image": "models:3", "path": "/opt/models/"}},
        {"empty_dir": {}},
        {"empty_dir": {"medium": "memory", "size_limit": "1"}, "mount_path": "/dev/shm"},
    )
    jsonschema.Draft202012Validator(schema()).validate(raw)
    parsed = parse(raw, supported=DOCKER)
    read = [entry.model_dump(exclude_unset=True) for entry in parsed.descriptor.storage]
    assert [{name: value for name, value in entry.items() if name != "mount_path"} for entry in read] == [
        {"oss": {"path": "oss://b/in", "read_only": True}},
        {"s3": {"path": "s3://b/in", "read_only": True, "endpoint": "http://minio:9000"}},
        {"nfs": {"server": "nas.example"}},
        {"git": {"repo": "https://git.example/a.git", "branch": "main", "commit": None}},
        {"image": {"image": "models:3", "path": "/opt/models"}},
        {"empty_dir": {}},
        {"empty_dir": {"medium": "memory", "size_limit": 1.0}},
    ]
    assert {warning["pointer"]: warning["code"] for warning in parsed.warnings} == {
        "/storage/0/properties/resource_type": "not-applicable",
        "/storage/2/nfs/resourceGroup": "not-applicable",
    }


def test_a_group_of_this_machines_processes_has_no_mounts() -> None:
    with pytest.raises(InvalidDescriptor) as caught:
        parse({"name": "a", "processor": "onnx", "model_path": "m", "storage": [OSS]}, supported=LOCAL)
    assert caught.value.details[0]["backends"] == ["docker"]
    assert caught.value.details[0]["pointer"] == "/storage"


@pytest.mark.parametrize(
    ("entry", "pointer", "code", "said"),
    [
        ({**OSS, "mount_path": "data"}, "/storage/0/mount_path", "invalid", "absolute path"),
        ({**OSS, "mount_path": "/a/../b"}, "/storage/0/mount_path", "invalid", "without .."),
        ({**OSS, "mount_path": "//"}, "/storage/0/mount_path", "invalid", "whole file system"),
        ({**OSS, "mount_path": "/proc/sys"}, "/storage/0/mount_path", "invalid", "kept for the system"),
        ({**OSS, "mount_path": "/dev"}, "/storage/0/mount_path", "invalid", "kept for the system"),
        ({**OSS, "mount_path": "/mlserve/model"}, "/storage/0/mount_path", "invalid", "mlserve itself"),
        ({**OSS, "mount_path": "/run/./secrets"}, "/storage/0/mount_path", "invalid", "mlserve itself"),
        ({**OSS, "mount_path": "/dev/shm"}, "/storage/0", "invalid", "medium memory"),
        ({"oss": {"path": "models"}}, "/storage/0/oss/path", "invalid", "mlserve upload"),
        ({"oss": {"path": "s3://b/x"}}, "/storage/0/oss/path", "invalid", "oss://bucket"),
        ({"s3": {"path": "s3:///x"}}, "/storage/0/s3/path", "invalid", "s3://bucket"),
        ({"git": {"repo": "./code"}}, "/storage/0/git/repo", "invalid", "processor_path"),
        ({"git": {"repo": "https://h/r", "commit": "main"}}, "/storage/0/git/commit", "invalid", "commit"),
        ({"nfs": {"server": "nas,rw", "path": "/"}}, "/storage/0/nfs/server", "invalid", "name or address"),
        ({"nfs": {"server": "nas", "path": "a"}}, "/storage/0/nfs/path", "invalid", "absolute path"),
        ({"image": {"image": "a b", "path": "/"}}, "/storage/0/image/image", "invalid", ""),
        ({"image": {"image": "a"}}, "/storage/0/image/path", "missing", ""),
        ({"empty_dir": {"medium": "disk"}}, "/storage/0/empty_dir/medium", "invalid", "memory"),
        ({"empty_dir": {"size_limit": 1}}, "/storage/0", "invalid", "medium memory"),
        ({}, "/storage/0", "missing", "names no source"),
        ({**OSS, "empty_dir": {}}, "/storage/0", "conflict", "make an entry of each"),
        ({"dataset": {"id": "d-1", "read_only": True}}, "/storage/0/dataset", "unsupported", "bucket with oss"),
        ({"code": {"id": "c-1"}}, "/storage/0/code", "unsupported", "repository with git"),
        ({"os": {"path": "oss://b"}}, "/storage/0/os", "unknown-field", '"oss"'),
    ],
)
def test_what_cannot_be_mounted_is_refused_where_it_stands(
    entry: dict[str, Any], pointer: str, code: str, said: str
) -> None:
    found = mistakes(with_(entry))
    assert set(found) == {pointer}
    assert found[pointer]["code"] == code
    assert said in found[pointer]["message"]


def test_of_two_entries_with_one_path_the_last_is_seen_and_the_other_named() -> None:
    raw = with_({**OSS, "mount_path": "/data"}, {"nfs": {"server": "nas"}, "mount_path": "/data/"})
    parsed = parse(raw, supported=DOCKER)
    assert [(warning["pointer"], warning["code"]) for warning in parsed.warnings] == [("/storage/0", "covered")]
    assert sources_of(parsed.descriptor) == {}


def test_addresses_are_folders_and_hold_endpoint_revision_and_login() -> None:
    raw = with_(
        {"oss": {"path": "oss://b/in"}},
        {"s3": {"path": "s3://b/in/", "readOnly": True, "endpoint": "minio:9000"}},
        {"git": {"repo": "https://h/r.git", "branch": "b", "commit": "abc123", "username": "me", "password": "p@:/"}},
        {"git": {"repo": "https://h/r.git"}},
        {"nfs": {"server": "nas"}},
        oss_endpoint="oss-cn-x.aliyuncs.com",
    )
    found = sources_of(parse(raw, supported=DOCKER).descriptor)
    assert {pointer: (source.uri, source.endpoint, source.may_be_empty) for pointer, source in found.items()} == {
        "/storage/0/oss/path": ("oss://b/in/", "oss-cn-x.aliyuncs.com", True),
        "/storage/1/s3/path": ("s3://b/in/", "minio:9000", False),
        "/storage/2/git/repo": ("git+https://me:p%40%3A%2F@h/r.git@abc123", None, False),
        "/storage/3/git/repo": ("git+https://h/r.git", None, False),
    }


def test_its_addresses_are_no_local_paths_and_its_password_is_shown_to_nobody() -> None:
    raw = with_({"git": {"repo": "https://h/r.git", "username": "me", "password": "hidden"}}, OSS)
    assert local_paths(raw) == {}
    assert "hidden" not in str(masked(raw))
    assert "hidden" not in repr(parse(raw, supported=DOCKER).descriptor)
