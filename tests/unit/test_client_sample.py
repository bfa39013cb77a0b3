"""Requests that are made up for a user to try."""

from __future__ import annotations

from mlserve.client.sample import sample, size


def test_a_sample_has_a_row_for_each_input() -> None:
    inputs = [{"name": "x", "type": "float", "shape": [-1, 2]}, {"name": "word", "type": "string", "shape": [-1]}]
    assert sample({"inputs": inputs}) == {"x": [[0.0, 0.0]], "word": [""]}
    assert size({"inputs": inputs}) == 3


def test_there_is_no_sample_of_what_is_not_declared_or_has_any_shape() -> None:
    whole = {"name": "request", "type": "string", "shape": None}
    assert sample({"inputs": []}) is None
    assert sample({"inputs": [{"name": "x", "type": "float"}]}) is None
    assert sample({"inputs": [whole]}) is None, "the bytes that a processor of EAS reads itself"
    assert size({"inputs": [whole]}) == 1
