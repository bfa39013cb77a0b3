"""``--set name=value``."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlserve.descriptor import set_values
from mlserve.errors import InvalidInput


@pytest.mark.parametrize(
    ("raw", "assignment", "result"),
    [
        ({}, "metadata.cpu=1.5", {"metadata": {"cpu": 1.5}}),
        ({"metadata": {"cpu": 1}}, "metadata.memory=500", {"metadata": {"cpu": 1, "memory": 500}}),
        ({"metadata": {"rpc.keepalive": 1}}, "metadata.rpc.keepalive=2", {"metadata": {"rpc.keepalive": 2}}),
        ({"metadata.cpu": 1}, "metadata.cpu=2", {"metadata.cpu": 2}),
        ({"metadata": None}, "metadata.cpu=2", {"metadata": {"cpu": 2}}),
        ({"containers": [{"image": "a"}]}, "containers.0.image=b:1", {"containers": [{"image": "b:1"}]}),
        ({"env": []}, 'env.0={"name": "A"}', {"env": [{"name": "A"}]}),
        ({"env": [{"name": "A"}]}, "env.1.name=B", {"env": [{"name": "A"}, {"name": "B"}]}),
        ({"metadata": {"name": "a"}}, "name=b", {"metadata": {}, "name": "b"}),
        ({"name": "a"}, "metadata.name=b", {"metadata": {"name": "b"}}),
        ({}, "public=true", {"public": True}),
        ({}, "token=", {"token": ""}),
        ({}, "command=a=b c", {"command": "a=b c"}),
        ({}, "label=NaN", {"label": "NaN"}),
    ],
)
def test_a_field_is_set_where_it_is_or_would_be(raw: dict[str, Any], assignment: str, result: dict[str, Any]) -> None:
    before = repr(raw)
    assert set_values(raw, [assignment]) == result
    assert repr(raw) == before


@pytest.mark.parametrize(
    ("raw", "assignment", "says"),
    [
        ({}, "metadata.cpu", "no = in it"),
        ({}, "=1", "no name in it"),
        ({}, "metadata..cpu=1", "not the name of a field"),
        ({"name": "a"}, "name.first=1", "single value"),
        ({"env": []}, "env.1=1", "list of 0"),
        ({"env": []}, "env.first=1", "list of 0"),
        ({}, "metadata.cpu=1e999", "finite"),
        ({}, ".".join("a" * 40) + "=1", "not the name"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(raw: dict[str, Any], assignment: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as caught:
        set_values(raw, [assignment])
    assert "--set" in caught.value.hint


@given(
    st.text(max_size=30),
    st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.lists(st.integers()), max_size=3),
)
def test_any_assignment_is_done_or_refused(assignment: str, raw: dict[str, Any]) -> None:
    try:
        assert isinstance(set_values(raw, [assignment]), dict)
    except InvalidInput as exc:
        message = exc.message
        assert message
