"""Triton on a Docker group: an image with a server in it, which knows nothing of us."""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc

from mlserve.client import Client
from mlserve.engines.triton.engine import REQUIREMENTS
from mlserve.errors import StartFailed
from tests.contract.test_triton import ADDER, BROKEN, CONFIG, descriptor, repository
from tests.docker_engine import BASE, Engine
from tests.heavy import python_with

pytestmark = pytest.mark.timeout(300)
IMAGE = "mlserve-test-triton"


@pytest.fixture(scope="module")
def image(docker_engine: Engine) -> Iterator[str]:
    """A base image with the wheel's server, and the packages that a model may use."""
    packed = io.BytesIO()
    site = python_with(*REQUIREMENTS).parent.parent / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for part in ("pytriton", "nvidia_pytriton.libs", "numpy", "numpy.libs"):
            tar.add(site / part, f"opt/triton/site/{part}", filter=_readable)
    with closing(docker_engine.client()) as client:
        container = client.containers.create(BASE, ["python3", "-c", SETTLE])
        try:
            container.put_archive("/", packed.getvalue())
            container.start()
            assert container.wait()["StatusCode"] == 0, container.logs()
            container.commit(IMAGE, "latest")
        finally:
            container.remove(force=True)
        yield IMAGE
        client.images.remove(IMAGE, force=True)


def _readable(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mode |= 0o444 | (0o111 if entry.isdir() or entry.mode & 0o100 else 0)
    return entry


SETTLE = """
import pathlib, sysconfig
pathlib.Path(sysconfig.get_path("purelib"), "triton.pth").write_text("/opt/triton/site\\n")
"""


@pytest.fixture
def box(client: Client, docker_engine: Engine, image: str, emptied: None) -> Client:
    """A hub with a resource group ``box``, where Triton runs in that image."""
    client.resources.add("box", "docker", {"host": docker_engine.host, "triton_image": image})
    return client


def wish(folder: Path, *params: str, **more: Any) -> Path:
    metadata = {"instance": 1, "cpu": 1, "memory": 900, "resource": "box"}
    return descriptor(folder, "--model-repository=models", *params, metadata=metadata, **more)


def test_it_serves_over_http_and_grpc_with_its_repository_carried_there(box: Client, tmp_path: Path) -> None:
    folder = repository(tmp_path, {"adder": (CONFIG, ADDER), "broken": (CONFIG, BROKEN)})
    made = box.services.create(wish(folder, "--http-port=9")).wait(timeout=120)
    row = np.array([1, 2], np.float32)
    assert made.predict({"a": row})["y"].tolist() == [2, 3]
    assert "--http-port=9 is not applied" in made.to_dict()["warnings"][0]["message"]
    asked = triton_grpc.InferInput("a", [2], "FP32")
    asked.set_data_from_numpy(row)
    gateway = str(made.endpoint).removeprefix("http://").partition("/")[0]
    headers = {"authorization": made.token, "x-mlserve-service": made.name}
    with triton_grpc.InferenceServerClient(gateway) as grpc:
        assert grpc.infer("adder", [asked], headers=headers).as_numpy("y").tolist() == [2, 3]
    with made.predictor() as predictor:
        assert b"nv_inference_request_success" in predictor.request("GET", "/metrics").body
    assert {model["name"]: model["state"] for model in made.models()} == {"adder": "READY", "broken": "UNAVAILABLE"}
    assert made.instances()[0]["facts"]["warnings"] == ["model broken: ValueError: weights are missing"]
    made.delete()


def test_an_option_that_only_another_version_may_have_is_warned_of_and_named_by_the_server_that_lacks_it(
    box: Client, tmp_path: Path
) -> None:
    folder = repository(tmp_path, {"adder": (CONFIG, ADDER)})
    asked = wish(folder, "--log-infos=true")
    assert "the image may hold a version that has it" in box.validate(asked)["warnings"][0]["message"]
    with pytest.raises(StartFailed, match="has no option --log-infos, the nearest is --log-info") as caught:
        box.services.create(asked).wait(timeout=120)
    assert caught.value.details[0]["cause"] == "bad-option"


def test_packages_of_a_model_come_over_the_image_once(box: Client, tmp_path: Path) -> None:
    folder = repository(
        tmp_path, {"adder": (CONFIG, ADDER.replace("import triton", "import humanize\nimport triton", 1))}
    )
    (folder / "models" / "adder" / "requirements.txt").write_text("humanize>=4\n")
    made = box.services.create(wish(folder)).wait(timeout=200)
    assert made.predict({"a": [1]})["y"].tolist() == [2]
    made.delete()
