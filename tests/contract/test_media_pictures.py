"""Pictures as bodies: read as the model wants them, and refused where they are none."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.contract.media_kit import BYTES, JPEG, PNG, TITANIC, ask, model, picture

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols.base import UnsupportedMedia


@pytest.mark.parametrize(
    ("shape", "datatype", "came"),
    [
        ((-1, 3, 4, 5), "FP32", (1, 3, 4, 5)),
        ((-1, 4, 5, 3), "FP32", (1, 4, 5, 3)),
        ((1, 3, 4, 5), "UINT8", (1, 3, 4, 5)),
        ((3, 4, 5), "FP16", (3, 4, 5)),
        ((4, 5, 3), "INT32", (4, 5, 3)),
        ((-1, 4, 5), "FP32", (1, 4, 5)),
        ((-1, 4, 5, 1), "FP32", (1, 4, 5, 1)),
        ((-1, 1, 4, 5), "FP32", (1, 1, 4, 5)),
        ((-1, 4, 5, 4), "UINT8", (1, 4, 5, 4)),
        ((-1, -1, -1, 3), "UINT8", (1, 6, 8, 3)),
        ((-1, 3, -1, -1), "FP64", (1, 3, 6, 8)),
    ],
)
@pytest.mark.parametrize("kind", [PNG, JPEG])
def test_a_picture_gets_the_layout_and_size_of_the_input(
    shape: tuple[int, ...], datatype: str, came: tuple[int, ...], kind: bytes
) -> None:
    form = "PNG" if kind == PNG else "JPEG"
    array = ask(model(Tensor("image", datatype, shape)), picture(kind=form), kind).inputs["image"]
    assert array.shape == came
    top = 1.0 if datatype.startswith("FP") else 255
    if 3 in shape:
        channels = array.reshape(3, -1) if shape[-1] != 3 else array.reshape(-1, 3).T
        assert np.allclose(channels.mean(axis=1), [top, top * 128 / 255, 0], atol=top * 0.02)
    assert array.max() <= top


def test_the_descriptor_may_say_how_pictures_are_read() -> None:
    tensor = Tensor("x", "FP32", (-1, 3, 4, 4))
    image = {"mode": "BGR", "scale": 1, "mean": [1, 2, 3], "std": 2, "resize": "fit"}
    array = ask(model(tensor, image=image), picture((8, 4)), PNG).inputs["x"]
    assert array[0, :, 2, 1].tolist() == [-0.5, 63.0, 126.0]
    assert array[0, :, 0, 0].tolist() == [-0.5, -1.0, -1.5]  # above and below: black
    free = Tensor("x", "UINT8", (-1, -1, -1, -1))
    assert ask(model(free, image={"layout": "NHWC", "size": [2, 3]}), picture(), PNG).inputs["x"].shape == (1, 2, 3, 3)
    crop = ask(model(tensor, image={"resize": "crop"}), picture((40, 8)), PNG).inputs["x"]
    assert np.allclose(crop[0, 0], 1.0)


@pytest.mark.parametrize("image", [{"mode": "L"}, {"resize": "shrink"}, {"layout": "CWH"}])
def test_a_wrong_word_about_pictures_is_named(image: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=rf"model_config.image.{next(iter(image))}"):
        ask(model(Tensor("x", "FP32", (-1, 3, 4, 4)), image=image), picture(), PNG)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_png_is_read(mode: str) -> None:
    body = picture(mode=mode, colour=1 if mode in ("1", "P") else 65535 if mode == "I;16" else None)
    for channels in (1, 3, 4):
        assert ask(model(Tensor("x", "UINT8", (-1, 4, 4, channels))), body, PNG).inputs["x"].shape == (
            1,
            4,
            4,
            channels,
        )


def test_what_is_no_picture_is_refused() -> None:
    served = model(Tensor("x", "FP32", (-1, 3, 4, 4)))
    for body in (b"", b"\x89PNG\r\n\x1a\n", picture()[:45], picture(kind="JPEG")[:300], b"GIF89a", picture(kind="BMP")):
        with pytest.raises(InvalidInput, match="picture"):
            ask(served, body, PNG)
    with pytest.raises(InvalidInput, match='input "x" wants FP32'):
        ask(model(Tensor("x", "FP32", (-1, 4))), picture(), PNG)
    with pytest.raises(UnsupportedMedia, match=r"application/json.*multipart/form-data"):
        ask(model(*TITANIC), picture(), PNG)


@pytest.mark.parametrize("kind", ["WEBP", "BMP", "GIF", "TIFF"])
@pytest.mark.parametrize("said", [BYTES, PNG])
def test_a_picture_of_another_kind_is_told_what_to_send(kind: str, said: bytes) -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 6)).save(out, kind)
    for shape in ((-1, 3, -1, -1), (-1, 3, 224, 224)):
        with pytest.raises(UnsupportedMedia, match=rf"(?i){kind} picture.*send image/png or image/jpeg"):
            ask(model(Tensor("image", "FP32", shape)), out.getvalue(), said)


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "TIFF"])
def test_a_picture_of_another_kind_is_known_without_its_type(kind: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 6)).save(out, kind)
    with pytest.raises(UnsupportedMedia, match="send image/png or image/jpeg"):
        ask(model(Tensor("image", "FP32", (-1, 3, -1, -1))), out.getvalue(), b"application/x-www-form-urlencoded")


def test_a_picture_that_would_fill_the_memory_is_refused() -> None:
    served = model(Tensor("x", "UINT8", (-1, 4, 4, 1)), image={"max_pixels": 1000})
    for size, kind in (((100, 11), "PNG"), ((100, 11), "JPEG")):
        with pytest.raises(InvalidInput, match="pixels") as error:
            ask(served, picture(size, "L", kind, 1), PNG)
        assert error.value.status == 413
    with pytest.raises(InvalidInput, match=r"too large|pixels"):
        ask(model(Tensor("x", "UINT8", (-1, 4, 4, 1))), picture((20_000, 20_000), "1", colour=1), PNG)


@pytest.mark.parametrize("kind", [b"", b"application/x-www-form-urlencoded", BYTES])
def test_a_picture_is_known_without_its_type(kind: bytes) -> None:
    for body in (picture(), picture(kind="JPEG")):
        assert ask(model(Tensor("x", "UINT8", (-1, 4, 4, 3))), body, kind).inputs["x"].shape == (1, 4, 4, 3)


def test_a_picture_may_be_the_value_of_a_text_input() -> None:
    body = picture()
    for kind in (PNG, BYTES):
        assert ask(model(Tensor("file", "BYTES", (-1,))), body, kind).inputs["file"].tolist() == [body]


@pytest.mark.parametrize(
    ("shape", "array"),
    [
        ((-1, 4, 5, 3), np.zeros((1, 4, 5, 3), np.uint8)),
        ((-1, 3, 4, 5), np.ones((1, 3, 4, 5), np.float32)),
        ((4, 5, 3), np.full((4, 5, 3), 200.0)),
        ((-1, 4, 5), np.zeros((1, 4, 5), np.float32)),
        ((-1, 1, 4, 5), np.full((1, 1, 4, 5), np.nan)),
    ],
)
@pytest.mark.parametrize("kind", [PNG, JPEG])
def test_an_output_is_a_picture_where_one_is_asked_for(shape: tuple[int, ...], array: Any, kind: bytes) -> None:
    served = model(Tensor("x", "FP32", (-1, 1)), outputs=(Tensor("y", "FP32", shape),))
    call = ask(served, b'{"x": 1.0}', b"application/json", accept=kind)
    body, came, _ = call.encode({"y": array})
    image = Image.open(io.BytesIO(body))
    assert (came, call.slow) == (kind, True)
    assert image.size == (5, 4)
    assert image.format == ("PNG" if kind == PNG else "JPEG")
    two = np.concatenate([array, array]) if shape[0] == -1 else array[None]
    if shape[0] == -1:
        with pytest.raises(InvalidInput, match="not one picture"):
            call.encode({"y": two})
