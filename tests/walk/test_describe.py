"""Who looks at a service is told what really serves: device, threads, versions, and what its instances find."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlserve.client import Client
from mlserve_cli.show import described

pytestmark = pytest.mark.timeout(300)

NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def test_describe_says_which_device_threads_and_versions_serve(client: Client, iris: Path) -> None:
    service = client.services.create(iris).wait(timeout=60)
    facts = service.to_dict()["instances"][0]["facts"]
    assert facts["device"] == "cpu"
    assert facts["threads"]["onnxruntime"] == 1
    assert set(facts["versions"]) >= {"python", "onnxruntime"}
    shown = lines(described(service, service.link()))
    assert shown["device"] == "cpu"
    assert "onnxruntime 1" in shown["threads"]
    assert f"onnxruntime {facts['versions']['onnxruntime']}" in shown["versions"]
    assert "drift" not in shown


def test_describe_says_which_inputs_have_drifted(client: Client, iris: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [",".join(f"{value:.2f}" for value in row) for row in flowers(random, 400)]
    (tmp_path / "reference.csv").write_text("\n".join([",".join(NAMES), *rows]))
    wished = {**json.loads(iris.read_text()), "monitor": {"drift": {"reference": "reference.csv", "window": 60}}}
    wished["model_path"] = str(iris.parent / "iris.onnx")
    (tmp_path / "service.json").write_text(json.dumps(wished))
    service = client.services.create(tmp_path / "service.json").wait(timeout=60)
    assert lines(described(service, service.link()))["drift"].startswith("none (")

    end = time.monotonic() + 60
    found: dict[str, Any] = {}
    while not found.get("detected") and time.monotonic() < end:
        table = flowers(random, 60)
        table[:, 1] += 2
        service.predict({name: table[:, at : at + 1].tolist() for at, name in enumerate(NAMES)})
        found = service.reload().to_dict()["instances"][0]["drift"]
    assert [name for name, column in found["columns"].items() if column["detected"]] == ["sepal_width"]
    assert lines(described(service, service.link()))["drift"].startswith("in sepal_width (")


def flowers(random: Any, count: int) -> Any:
    return random.normal([5.8, 3.0, 3.7, 1.2], [0.8, 0.4, 1.7, 0.7], (count, 4))


def lines(text: str) -> dict[str, str]:
    """The names and values above the table of instances."""
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in text.split("\n\n")[0].splitlines()}
