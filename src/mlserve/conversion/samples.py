"""The user's own requests as inputs to compare with: what the warm-up would send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlserve.conversion.base import CannotConvert
from mlserve.conversion.drawing import Batch
from mlserve.runtime.failures import StartFailure
from mlserve.runtime.processors.base import Arrays, Loaded, Metadata
from mlserve.runtime.protocols.base import Model
from mlserve.runtime.signature import Signature
from mlserve.runtime.warm_up import warm_up


class _Recorder:
    """Answers as the native processor, and keeps what it was asked."""

    def __init__(self, native: Loaded) -> None:
        self._native = native
        self.asked: list[Arrays] = []

    def load(self, path: Path, config: dict[str, object]) -> None:
        self._native.load(path, config)

    def metadata(self) -> Metadata:
        return self._native.metadata()

    def predict(self, inputs: Arrays) -> Arrays:
        self.asked.append(dict(inputs))
        return self._native.predict(inputs)


def recorded(native: Loaded, sample: Path) -> Iterator[Batch]:
    """The inputs of each request in the warm-up data; raises CannotConvert where the start would fail with them."""
    recorder = _Recorder(native)
    try:
        warm_up(recorder, Model("conversion", 1, Signature(native.metadata())), str(sample))
    except StartFailure as exc:
        raise CannotConvert(exc.reason) from exc
    for inputs in recorder.asked[:200]:
        yield Batch("sample", inputs)
