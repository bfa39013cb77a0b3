"""Whether an environment gets the library for Parquet and Arrow, however ``model_config`` is written."""

from __future__ import annotations

from typing import Any

import pytest

from mlserve.descriptor import parse
from mlserve.engines.arrow import requirements


@pytest.mark.parametrize("config", [{"arrow": True}, '{"arrow": true}'])
def test_arrow_is_asked_for_by_an_object_or_its_text(config: Any) -> None:
    told = {"name": "line", "processor": "onnx", "model_path": "m.onnx", "model_config": config}
    assert requirements(parse(told).descriptor) == ("pyarrow>=15",)
