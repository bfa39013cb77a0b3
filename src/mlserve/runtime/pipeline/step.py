"""One step, loaded: called with the arrays it wants, its failures under its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlserve.errors import InvalidInput
from mlserve.runtime.processors.base import Arrays, Context, Loaded, Metadata


class StepFailed(Exception):
    """A step raised something; its own exception is the cause."""


@dataclass(frozen=True, slots=True)
class Step:
    """A processor in a pipeline."""

    name: str
    processor: str
    loaded: Loaded
    metadata: Metadata

    def call(self, inputs: Mapping[str, Any], context: Context) -> Arrays:
        """Its outputs; raises InvalidInput and StepFailed, both naming the step."""
        try:
            outputs = self._predict(inputs, context)
            if self.metadata.raw:
                self._require_success(outputs)
            return outputs
        except Exception as exc:
            raise self.blamed(exc) from exc

    def blamed(self, exc: Exception) -> Exception:
        """The same failure, with the step's name."""
        if isinstance(exc, InvalidInput):
            return InvalidInput(f'step "{self.name}": {exc.message}', hint=exc.hint, details=exc.details)
        return StepFailed(f'step "{self.name}": {type(exc).__name__}: {exc}')

    def _predict(self, inputs: Mapping[str, Any], context: Context) -> Arrays:
        if self.metadata.context:
            predict: Any = self.loaded.predict
            outputs: Arrays = predict(inputs, context)
            return outputs
        return self.loaded.predict(inputs)

    def _require_success(self, outputs: Arrays) -> None:
        from mlserve.runtime.raw_bodies import STATUS, require_success  # of processors that answer with a status

        if STATUS in outputs:
            require_success(outputs)
