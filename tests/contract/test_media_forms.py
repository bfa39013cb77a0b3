"""Forms and plain bytes as bodies."""

from __future__ import annotations

import numpy as np
import pytest
from tests.contract.media_kit import BYTES, CSV, PNG, ask, form, model, picture

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Tensor


def test_each_part_of_a_form_has_a_type_of_its_own() -> None:
    served = model(
        Tensor("image", "UINT8", (-1, 6, 8, 3)), Tensor("n", "INT32", (-1, 1)), Tensor("raw", "FP32", (-1, 2)),
        Tensor("table", "FP32", (-1, 2)), Tensor("word", "BYTES", (-1,)), Tensor("file", "FP32", (-1, 2)),
    )  # fmt: skip
    raw = np.array([1, 2], "<f4").tobytes()
    body, kind = form(
        ("image", PNG, picture()), ("n", b"application/json; charset=utf-8", b"7"), ("raw", BYTES, raw),
        ("table", CSV, b"a,b\n1,2\n"), ("word", b"text/plain", "grüß dich".encode()), ("file", BYTES, b"[[5, 6]]"),
    )  # fmt: skip
    inputs = ask(served, body, kind).inputs
    assert inputs["image"].shape == (1, 6, 8, 3)
    assert inputs["n"].tolist() == [[7]]
    assert inputs["raw"].tolist() == inputs["table"].tolist() == [[1, 2]]
    assert inputs["file"].tolist() == [[5, 6]]
    assert inputs["word"].tolist() == ["grüß dich"]


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (("x", b"video/mp4", b""), "video/mp4"),
        (("x", b"application/json", b"{"), "not JSON"),
        (("x", BYTES, b"abc"), '"x".*3 raw bytes'),
        (("y", b"application/json", b"1"), 'no input "y"'),
        (("x", PNG, b"nothing"), "picture"),
    ],
)
def test_a_part_that_does_not_fit_is_named(part: tuple[str, bytes, bytes], said: str) -> None:
    body, kind = form(part)
    with pytest.raises(InvalidInput, match=said):
        ask(model(Tensor("x", "FP32", (-1, 3))), body, kind)
    with pytest.raises(InvalidInput, match="twice"):
        ask(model(Tensor("x", "FP32", (-1, 3))), *form(part, part))


def test_plain_bytes_are_the_one_input() -> None:
    served = model(Tensor("x", "FP32", (-1, 2)))
    assert ask(served, np.array([1, 2], "<f4").tobytes(), BYTES).inputs["x"].tolist() == [[1, 2]]
    assert ask(served, b'{"x": [[1, 2]]}', BYTES).inputs["x"].tolist() == [[1, 2]]
    with pytest.raises(InvalidInput, match=r'"x".*3 raw bytes'):
        ask(served, b"abc", BYTES)
