"""Values that no one writes on purpose end as mistakes with a place, never as a failure of ours."""

from __future__ import annotations

from typing import Any

import pytest

from mlserve.descriptor import parse
from mlserve.errors import InvalidDescriptor

MODEL = {"name": "x", "processor": "sklearn", "model_path": "lr.pkl"}


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"capture": {"to": "ftp://host/folder"}}, "/capture/to"),
        ({"tracing": {"endpoint": "file:///etc/passwd"}}, "/tracing/endpoint"),
        ({"tracing": {"endpoint": "collector:4318"}}, "/tracing/endpoint"),
    ],
)
def test_an_address_of_another_kind_is_refused(more: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidDescriptor) as refused:
        parse(MODEL | more)
    assert refused.value.details[0]["pointer"] == pointer


@pytest.mark.parametrize("outputs", [[[]], [{}], [1], [None, "label"]])
def test_outputs_of_a_step_that_are_no_names_are_refused(outputs: Any) -> None:
    step = {"name": "a", "processor": "sklearn", "model_path": "lr.pkl", "outputs": outputs}
    with pytest.raises(InvalidDescriptor) as refused:
        parse({"name": "x", "pipeline": [step]})
    assert refused.value.details[0]["pointer"].startswith("/pipeline/0/outputs")
