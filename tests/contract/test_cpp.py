"""C processors in the ABI of EAS: compiled here, loaded, asked side by side, and their failures told."""

from __future__ import annotations

import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.runtime_kit import failed, serving, until

from mlserve.client import Client
from mlserve.runtime.failures import StartFailure
from mlserve.runtime.loading import load
from mlserve.runtime.processors.base import Loaded
from mlserve.runtime.raw_bodies import boxed
from mlserve.runtime.spec import Spec

ECHO = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *initialize(const char *model_entry, const char *model_config, int *state) {
    char *model = malloc(4096);
    snprintf(model, 4096, "%s|%s", model_entry, model_config);
    *state = strstr(model_config, "refuse") ? 7 : 0;
    return model;
}

int process(void *model_buf, const void *input_data, int input_size, void **output_data, int *output_size) {
    if (input_size == 0) return 400;
    if (memcmp(input_data, "crash", 5) == 0) *(volatile int *)0 = 1;
    if (memcmp(input_data, "sleep", 5) == 0) usleep(300000);
    size_t length = strlen(model_buf);
    char *output = malloc(length + 1 + input_size);
    memcpy(output, model_buf, length);
    output[length] = '|';
    memcpy(output + length + 1, input_data, input_size);
    *output_data = output;
    *output_size = (int)length + 1 + input_size;
    return 200;
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "these tests compile C: apt-get install gcc libc6-dev"
    folder = tmp_path_factory.mktemp("echo")
    (folder / "echo.c").write_text(ECHO)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", "libecho.so", "echo.c"], cwd=folder, check=True)
    return folder


def echo(library: Path, **more: Any) -> Loaded:
    return load(Spec("echo", "cpp", processor_path=str(library), processor_entry="libecho.so", **more))


def test_bytes_go_in_and_come_out(library: Path) -> None:
    outputs = echo(library, model_config="some words").predict(boxed(b"a\0b"))
    assert (outputs["reply"].item(), outputs["status"].item()) == (b"|some words|a\0b", 200)


def test_the_library_gets_the_models_path_and_the_configuration(library: Path, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"")
    told = {"model_path": str(tmp_path), "model_entry": "model.bin", "model_config": {"k": 3}}
    assert echo(library, **told).predict(boxed(b"x"))["reply"].item() == f'{tmp_path}/model.bin|{{"k": 3}}|x'.encode()


def test_a_state_other_than_0_is_a_failed_start(library: Path) -> None:
    with pytest.raises(StartFailure, match="state 7"):
        echo(library, model_config="refuse")


def test_a_file_that_is_no_library_a_missing_one_and_one_without_the_functions_are_told(
    library: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.so").write_bytes(b"not ELF")
    (tmp_path / "empty.c").write_text("int nothing;")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "empty.so", "empty.c"], cwd=tmp_path, check=True)
    for entry, said in (("broken.so", "can't be loaded"), ("none.so", "broken.so"), ("empty.so", 'extern "C"')):
        with pytest.raises(StartFailure) as failure:
            load(Spec("echo", "cpp", processor_path=str(tmp_path), processor_entry=entry))
        assert said in f"{failure.value.reason} {failure.value.hint}"


def test_calls_run_side_by_side_on_the_worker_threads(library: Path, tmp_path: Path) -> None:
    spec = {"service": "echo", "processor": "cpp", "processor_path": str(library), "processor_entry": "libecho.so"}
    with serving(tmp_path, worker_threads=4, **spec) as instance, ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: instance.post("/", b"sleep"), range(4)))
        assert [answer.body for answer in answers] == [b"||sleep"] * 4
        assert instance.post("/", b"").status == 400
        assert "device" in instance.facts


def test_a_crash_in_the_library_ends_the_instance_by_its_signal(library: Path, tmp_path: Path) -> None:
    spec = {"service": "echo", "processor": "cpp", "processor_path": str(library), "processor_entry": "libecho.so"}
    with serving(tmp_path, **spec) as instance:
        with pytest.raises(OSError, match=r"reset|closed|without response"):
            instance.post("/", b"crash")
        until(lambda: instance.process.poll() is not None)
        assert instance.process.returncode == -signal.SIGSEGV


def test_a_warm_up_request_that_the_library_refuses_is_a_failed_start(library: Path, tmp_path: Path) -> None:
    (tmp_path / "warm_up.bin").write_bytes(b"")
    spec = {"service": "echo", "processor": "cpp", "processor_path": str(library), "processor_entry": "libecho.so"}
    instance = failed(tmp_path, warm_up_path=str(tmp_path / "warm_up.bin"), **spec)
    assert instance.failure["cause"] == "warm-up-failed"
    assert "400" in instance.failure["reason"]


def test_several_bodies_in_one_tensor_are_answered_one_by_one(library: Path) -> None:
    outputs = echo(library).predict({"request": np.array([b"x", b""], dtype=object)})
    assert outputs["reply"].tolist() == [b"||x", b""]
    assert outputs["status"].tolist() == [200, 400]


def test_a_library_finds_another_that_lies_beside_it(tmp_path: Path, client: Client) -> None:
    (tmp_path / "more.c").write_text("int more(void) { return 42; }")
    (tmp_path / "echo.c").write_text(
        ECHO.replace("return 400", "return more()").replace("int process", "int more(void);\nint process")
    )
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "libmore.so", "more.c"], cwd=tmp_path, check=True)
    build = ["cc", "-shared", "-fPIC", "-o", "libecho.so", "echo.c", "-L.", "-lmore"]
    subprocess.run(build, cwd=tmp_path, check=True)
    with pytest.raises(StartFailure) as failure:
        echo(tmp_path)
    assert failure.value.cause == "missing-library"
    own = tmp_path / "own"
    own.mkdir()
    for name in ("libmore.so", "libecho.so"):
        shutil.move(tmp_path / name, own)
    descriptor = {
        "name": "beside", "processor_type": "cpp", "processor_path": str(own), "processor_entry": "libecho.so",
        "metadata": {"instance": 1, "cpu": 0.5, "memory": 200},
    }  # fmt: skip
    service = client.services.create(descriptor).wait(timeout=120)
    assert service.predict(b"x") == b"||x"
    service.delete()


def test_a_c_processor_is_created_and_asked_through_the_gateway(library: Path, tmp_path: Path, client: Client) -> None:
    descriptor = {
        "name": "echo", "processor_type": "cpp", "processor_path": str(library), "processor_entry": "libecho.so",
        "model_config": "hello", "metadata": {"instance": 1, "cpu": 0.5, "memory": 200},
    }  # fmt: skip
    service = client.services.create(descriptor).wait(timeout=120)
    assert service.predict(b"bytes") == b"|hello|bytes"
    service.delete()
