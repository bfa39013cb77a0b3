"""JPEG and PNG as tensors, and tensors as pictures: size, channels and their order as the model's shape has them.

Whole numbers keep 0…255, floats become 0…1. ``model_config.image`` may say otherwise: ``layout``, ``size``,
``mode`` (RGB, BGR, L), ``resize`` (stretch, fit, crop), ``scale``, ``mean``, ``std``, ``max_pixels``.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlserve.errors import InvalidInput
from mlserve.runtime.http.allowance import ALLOWANCE
from mlserve.runtime.http.encodings import TooLarge
from mlserve.runtime.media.layout import Layout, layout_of
from mlserve.runtime.media.library import library
from mlserve.runtime.media.signatures import refusal
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.tensors import DTYPES, Array, bad

TYPES = {b"image/png": "PNG", b"image/jpeg": "JPEG", b"image/jpg": "JPEG"}
_MOST_PIXELS = 64_000_000
_DECODED, _AS_BYTE, _AS_FLOAT = 8, 2, 13
"""Bytes that a pixel takes while it is decoded, and a channel of it on its way to a tensor (measured)."""
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_CHANNELS = {"L": 1, "RGB": 3, "BGR": 3, "RGBA": 4}
_RESIZES = ("stretch", "fit", "crop")


def read(body: bytes, tensor: Tensor, options: Mapping[str, Any]) -> Array:
    """A picture as what the input takes, with a batch of one where it takes batches."""
    if tensor.datatype == "BYTES":
        return _as_it_is(body, tensor)
    layout = layout_of(tensor, options)
    if layout is None:
        raise bad(tensor, "a picture")
    mode = str(options.get("mode") or _MODES[layout.channels])
    if _CHANNELS.get(mode) != layout.channels:
        raise InvalidInput(f"model_config.image.mode is {mode!r}, and the input has {layout.channels} channels")
    pixels = _decoded(body, layout, mode, options, DTYPES[tensor.datatype or "UINT8"].kind == "f")
    if mode == "BGR":
        pixels = pixels[..., ::-1]
    try:
        values = _scaled(pixels, tensor, options)
    except (TypeError, ValueError) as exc:
        raise InvalidInput(f"model_config.image: scale, mean and std can't be used: {exc}") from None
    if layout.axes == "CHW":
        values = values[None] if values.ndim == 2 else np.moveaxis(values, 2, 0)
    elif layout.axes == "HWC" and values.ndim == 2:
        values = values[..., None]
    return np.ascontiguousarray(values[None] if layout.batch else values)


def write(array: Array, tensor: Tensor, kind: bytes, options: Mapping[str, Any]) -> bytes:
    """The one picture in an output."""
    layout = layout_of(tensor, options)
    if layout is None or (layout.batch and len(array) != 1):
        raise InvalidInput(f'output "{tensor.name}" of shape {list(array.shape)} is not one picture')
    picture = array[0] if layout.batch else array
    if layout.axes == "CHW":
        picture = np.moveaxis(picture, 0, 2)
    if picture.ndim == 3 and picture.shape[2] == 1:
        picture = picture[..., 0]
    if picture.ndim == 3 and options.get("mode") == "BGR":
        picture = picture[..., ::-1]
    image = library("PIL.Image", "pillow").fromarray(np.ascontiguousarray(_as_bytes(picture)))
    if kind != b"image/png" and image.mode == "RGBA":
        image = image.convert("RGB")
    out = io.BytesIO()
    image.save(out, TYPES[kind], **({"compress_level": 1} if kind == b"image/png" else {"quality": 90}))
    return out.getvalue()


def _as_it_is(body: bytes, tensor: Tensor) -> Array:
    """A model that takes encoded pictures decodes them itself."""
    array = np.empty((1,) * len(tensor.shape or ()), dtype=np.object_)
    array[...] = body
    return array


def _decoded(body: bytes, layout: Layout, mode: str, options: Mapping[str, Any], floats: bool) -> Array:
    image_of = library("PIL.Image", "pillow")
    try:
        image = image_of.open(io.BytesIO(body), formats=("PNG", "JPEG"))
        _check_pixels(image, int(options.get("max_pixels", _MOST_PIXELS)))
        size = _size(image, layout, options)
        plain = "RGB" if mode == "BGR" else mode
        image.draft(plain if plain in ("L", "RGB") else "RGB", size)  # a JPEG is decoded no larger than it must be
        _check_memory(image, size, layout, floats)
        return np.asarray(_resized(_converted(image, plain), size, options))  # decoded here at the latest
    except image_of.DecompressionBombError as exc:
        raise TooLarge(f"the picture is too large: {exc}") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError, TypeError, OverflowError) as exc:
        other = refusal(body)
        raise other or InvalidInput(f"the body is no whole PNG or JPEG picture: {str(exc)[:200]}") from None


def _check_pixels(image: Any, most: int) -> None:
    width, height = image.size
    if width * height > most:
        raise TooLarge(
            f"the picture has {width}×{height} pixels; at most {most} are taken (model_config.image.max_pixels)"
        )


def _check_memory(image: Any, size: tuple[int, int], layout: Layout, floats: bool) -> None:
    """A few kilobytes may say that they are a very large picture."""
    width, height = image.size
    each = layout.channels * (_AS_FLOAT if floats else _AS_BYTE)
    needed = width * height * _DECODED + size[0] * size[1] * each
    ALLOWANCE.check(needed, f"the picture of {width}×{height} pixels", "send a smaller one")


def _size(image: Any, layout: Layout, options: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height that the model gets."""
    asked = options.get("size")
    height, width = (asked if isinstance(asked, list | tuple) else (asked, asked)) if asked else (None, None)
    own_width, own_height = image.size
    return int(width or (layout.width if layout.width > 0 else own_width)), int(
        height or (layout.height if layout.height > 0 else own_height)
    )


def _converted(image: Any, mode: str) -> Any:
    if image.mode.startswith("I"):  # 16 bits: Pillow would cut them off at 255
        grey = np.asarray(image).astype(np.int64) >> 8
        image = library("PIL.Image", "pillow").fromarray(grey.clip(0, 255).astype(np.uint8))
    return image if image.mode == mode else image.convert(mode)


def _resized(image: Any, size: tuple[int, int], options: Mapping[str, Any]) -> Any:
    how = options.get("resize", "stretch")
    if how not in _RESIZES:
        raise InvalidInput(f"model_config.image.resize is {how!r}; {', '.join(_RESIZES)} is wanted")
    if image.size == size:
        return image
    smooth = library("PIL.Image", "pillow").Resampling.BILINEAR
    if how == "stretch":
        return image.resize(size, smooth)
    more = library("PIL.ImageOps", "pillow")
    return more.pad(image, size, smooth) if how == "fit" else more.fit(image, size, smooth)


def _scaled(pixels: Array, tensor: Tensor, options: Mapping[str, Any]) -> Array:
    dtype = DTYPES[tensor.datatype or "UINT8"]
    scale = options.get("scale", 1 / 255 if dtype.kind == "f" else None)
    if scale is None and "mean" not in options and "std" not in options:
        return pixels.astype(dtype)
    values: Array = pixels.astype(np.float32) * np.float32(1 if scale is None else scale)
    values = (values - np.asarray(options.get("mean", 0), np.float32)) / np.asarray(options.get("std", 1), np.float32)
    return values.astype(dtype)


def _as_bytes(picture: Array) -> Array:
    if picture.dtype == np.uint8:
        return picture
    values = np.nan_to_num(picture.astype(np.float64))
    if picture.dtype.kind == "f" and values.max(initial=0) <= 1:
        values = values * 255
    return values.round().clip(0, 255).astype(np.uint8)
