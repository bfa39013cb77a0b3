"""A base image without a registry: this machine's own Python with the libraries it needs, busybox, bash and pip.

It stands in for ``python:3.11-slim``: the programs are where that image has them, but there is no apt in it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import sys
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path

from tests.docker_engine import rootfs
from tests.docker_engine.engine import Engine
from tests.docker_engine.parts import locked, need
from tests.heavy import CACHE

BASE = "python:3.11-slim"
TAGS = sorted({BASE, f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"})
CONFIG = {
    "Env": ["PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"],
    "Cmd": ["python3"],
}
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def base_image(engine: Engine) -> str:
    """The name of the base image, which the engine has from here on. Built once per machine, then loaded: a second."""
    with closing(engine.client()) as client:
        if not client.images.list(BASE):
            with archive().open("rb") as file:
                client.images.load(file)
    return BASE


def archive() -> Path:
    """The image as a file of ``docker save``; another Python, CA bundle or recipe makes another file."""
    need("Docker", "busybox", "bash")
    path = CACHE / f"base-image-{_key()}.tar"
    with locked("base-image"):
        if not path.exists():
            for old in CACHE.glob("base-image-*.tar"):
                old.unlink()
            _build(path)
    return path


def _key() -> str:
    recipe = [Path(file).read_bytes() for file in (__file__, rootfs.__file__)]
    seen = [sys.version, sys.base_prefix, *(f"{path} {path.stat().st_mtime}" for path in rootfs.watched())]
    return hashlib.sha256(b"\0".join([*recipe, *(text.encode() for text in seen)])).hexdigest()[:16]


def _build(path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="base-image-", dir=CACHE) as name:
        root, layer, whole = Path(name) / "root", Path(name) / "layer.tar", Path(name) / "image.tar"
        rootfs.fill(root)
        with tarfile.open(layer, "w") as tar:
            tar.add(root, arcname=".", filter=_of_root)
        with layer.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        _write(whole, layer, digest)
        os.replace(whole, path)


def _of_root(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    return info


def _write(path: Path, layer: Path, digest: str) -> None:
    """The form that ``docker save`` writes: a list of images, the configuration of one, its layer."""
    config = {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": CONFIG,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "the tests of mlserve"}],
    }
    manifest = [{"Config": "config.json", "RepoTags": TAGS, "Layers": [f"{digest}/layer.tar"]}]
    with tarfile.open(path, "w") as tar:
        for name, content in (("manifest.json", manifest), ("config.json", config)):
            data = json.dumps(content).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        tar.add(layer, arcname=f"{digest}/layer.tar")
