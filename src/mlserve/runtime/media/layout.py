"""Where height, width and channels are in a tensor that holds pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Tensor

_CHANNELS = (4, 1, 3)
"""The later, the more likely: a size of 4 may well be a height."""
_LAYOUTS = ("CHW", "HWC", "HW")


@dataclass(frozen=True, slots=True)
class Layout:
    """A picture inside a tensor; -1: a size of its own."""

    axes: str
    """CHW, HWC or HW."""
    channels: int
    height: int
    width: int
    batch: bool
    """An axis of pictures comes before."""


def layout_of(tensor: Tensor, options: Mapping[str, Any]) -> Layout | None:
    """How a tensor holds pictures; ``None`` where it does not. ``options``: ``model_config.image``."""
    shape = tensor.shape
    if shape is None or len(shape) not in (3, 4) or tensor.datatype in ("BYTES", "BOOL"):
        return None
    asked = _asked(options)
    batch = len(shape) == 4 or asked == "HW" or (asked is None and _axes(shape) is None)
    sizes = shape[1:] if batch else shape
    axes = asked or _axes(sizes)
    if axes is None or len(axes) != len(sizes):
        return None
    size = dict(zip(axes, sizes, strict=True))
    channels = size.get("C", 1)
    return Layout(axes, channels if channels > 0 else 3, size["H"], size["W"], batch)


def _axes(sizes: tuple[int, ...]) -> str | None:
    """By the place of a size that only channels have; of a whole picture or of a plain grid of numbers."""
    if len(sizes) == 2:
        return "HW"
    first, last = (_CHANNELS.index(size) if size in _CHANNELS else -1 for size in (sizes[0], sizes[-1]))
    if first < 0 and last < 0:
        return None
    return "CHW" if first >= last else "HWC"


def _asked(options: Mapping[str, Any]) -> str | None:
    word = options.get("layout")
    if word is None:
        return None
    axes = str(word).upper().removeprefix("N")
    if axes in _LAYOUTS:
        return axes
    raise InvalidInput(f"model_config.image.layout is {word!r}; NCHW, NHWC, CHW, HWC or HW is wanted")
