"""A processor of EAS: ``initialize()`` once, then ``process(data) -> (body, status)`` for each request's bytes."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.runtime.own_code.places import elsewhere
from mlserve.runtime.processors.base import Arrays, Metadata
from mlserve.runtime.raw_bodies import RAW, answered, each
from mlserve.runtime.report import log

_THERE = ("/eas/workspace/model", "../../model")


class EasProcessor:
    """Runs the class unchanged."""

    def __init__(self, cls: Any) -> None:
        self._class = cls
        self._processor: Any = None

    def load(self, path: Path, config: dict[str, Any]) -> None:
        os.environ.setdefault("MODEL_DIR", str(path))  # where samples of EAS look
        self._processor = self._class()
        wish = "open what self.get_model_path() gives, or the environment's MODEL_DIR: both work there and here"
        with elsewhere(_THERE, path, wish):
            self._processor.initialize()

    def metadata(self) -> Metadata:
        return Metadata(**RAW, platform="python_allspark")

    def predict(self, inputs: Arrays) -> Arrays:
        return each(inputs, self._process)

    def _process(self, body: bytes) -> tuple[bytes, int]:
        try:
            given = self._processor.process(body)
        except InvalidInput:
            raise
        except Exception as exc:
            for line in traceback.format_exc().splitlines():
                log(line)
            said = f"{type(exc).__name__}: {exc}"[:2000]
            raise InvalidInput(f"the processor failed: {said}") from exc  # EAS answers 400, too
        return answered(given)
