"""What ``storage`` becomes in an instance."""

from __future__ import annotations

from mlserve.descriptor import BACKENDS, parse
from mlserve.engines import image
from mlserve.engines.mounts import mounts, with_mounts
from mlserve.workload import Mount, MountKind, Workload


def test_each_entry_is_a_mount_and_only_what_may_change_is_written_back() -> None:
    raw = {
        "name": "a",
        "containers": [{"image": "x:1", "port": 80}],
        "oss_endpoint": "oss.example",
        "storage": [
            {"mount_path": "/in", "s3": {"path": "s3://b/in", "readOnly": True}},
            {"mount_path": "/out", "oss": {"path": "oss://b/out"}},
            {"mount_path": "/own", "s3": {"path": "s3://b/own", "endpoint": "minio:9000"}},
            {"mount_path": "/code", "git": {"repo": "https://h/r.git"}},
            {"mount_path": "/nas", "nfs": {"server": "nas", "path": "/a", "readOnly": True}},
            {"mount_path": "/opt", "image": {"image": "models:3", "path": "/models"}},
            {"mount_path": "/dev/shm", "empty_dir": {"medium": "memory", "size_limit": 0.5}},
            {"mount_path": "/tmp/scratch", "empty_dir": {}},
        ],
    }
    paths = {
        "/storage/0/s3/path": "/kept/0",
        "/storage/1/oss/path": "/kept/1",
        "/storage/2/s3/path": "/kept/2",
        "/storage/3/git/repo": "/kept/3",
    }
    assert mounts(parse(raw, supported=BACKENDS["docker"]).descriptor, paths) == (
        Mount("/in", MountKind.FILES, "/kept/0"),
        Mount("/out", MountKind.FILES, "/kept/1", read_only=False, write_back="oss://b/out/", endpoint="oss.example"),
        Mount("/own", MountKind.FILES, "/kept/2", read_only=False, write_back="s3://b/own/", endpoint="minio:9000"),
        Mount("/code", MountKind.FILES, "/kept/3"),
        Mount("/nas", MountKind.NFS, "nas:/a"),
        Mount("/opt", MountKind.IMAGE, "models:3!/models"),
        Mount("/dev/shm", MountKind.MEMORY, read_only=False, size_mb=512),
        Mount("/tmp/scratch", MountKind.SCRATCH, read_only=False),
    )


def test_shared_memory_has_the_size_that_is_asked_for() -> None:
    raw = {"name": "a", "containers": [{"image": "x:1"}], "metadata": {"shm_size": 2}}
    asked = Mount("/dev/shm", MountKind.MEMORY, read_only=False, size_mb=2048)
    assert mounts(parse(raw, supported=BACKENDS["docker"]).descriptor, {}) == (asked,)
    raw["storage"] = [{"mount_path": "/dev/shm", "empty_dir": {"medium": "memory", "size_limit": 1}}]
    (own,) = mounts(parse(raw, supported=BACKENDS["docker"]).descriptor, {})
    assert own.size_mb == 1024
    assert parse({"name": "a", "command": "x $PORT", "metadata": {"shm_size": 2}}).warnings == []


def test_what_the_descriptor_mounts_covers_what_its_engine_does() -> None:
    engines, users = Mount("/model", MountKind.FILES, "/a"), Mount("/model", MountKind.FILES, "/b")
    other = Mount("/code", MountKind.FILES, "/c")
    assert with_mounts(Workload("a", 1, 1, mounts=(engines, other)), [users]).mounts == (other, users)


def test_a_mount_over_the_model_is_told() -> None:
    raw = {"name": "a", "containers": [{"image": "x:1"}], "model_path": "s3://b/m"}
    raw["storage"] = [{"mount_path": "/eas/workspace/model/", "empty_dir": {}}]
    (warning,) = image.create().check(parse(raw, supported=BACKENDS["docker"]).descriptor)
    assert (warning["pointer"], warning["code"]) == ("/model_path", "covered")
