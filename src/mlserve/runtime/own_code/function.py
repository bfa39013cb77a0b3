"""A plain function as a processor: its parameters are the inputs, what it returns are the outputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlserve.runtime.own_code.asynchronous import settled
from mlserve.runtime.processors.base import Arrays, Metadata, Tensor


class FunctionProcessor:
    """``def scale(image): …`` takes the input image; ``def scale(inputs): …`` takes all of them by name."""

    def __init__(self, function: Callable[..., Any], named: Callable[[Any], Arrays]) -> None:
        self._function, self._named = function, named
        parameters = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_POSITIONAL]
        self._whole = [p.name for p in parameters] == ["inputs"]
        self._open = self._whole or any(p.kind is p.VAR_KEYWORD for p in parameters)
        self._inputs = tuple(
            Tensor(p.name, "", None, optional=p.default is not p.empty)
            for p in parameters
            if not self._whole and p.kind is not p.VAR_KEYWORD
        )

    def load(self, path: Path, config: dict[str, Any]) -> None:
        """There is nothing to load: a function with a model is a class."""

    def metadata(self) -> Metadata:
        return Metadata(self._inputs, (), "python", open=self._open, trusted=False)

    def predict(self, inputs: Arrays) -> Arrays:
        given = dict(inputs)
        return self._named(settled(self._function(given) if self._whole else self._function(**given)))
