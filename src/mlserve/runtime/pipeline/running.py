"""Run the steps in their order; arrays are handed on, not copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from mlserve.flow import Flow, Source
from mlserve.runtime.pipeline.fitting import fitted
from mlserve.runtime.pipeline.step import Step, StepFailed
from mlserve.runtime.pipeline.timing import Timed
from mlserve.runtime.processors.base import Arrays, Context, Metadata, Tensor


class Pipeline:
    """A processor made of processors."""

    def __init__(self, steps: Sequence[Step], flow: Flow, metadata: Metadata) -> None:
        self.observe: Callable[[str, float], None] = _nobody
        """Told the seconds of each step, from whatever thread it ran on."""
        self._steps, self._flow, self._metadata = steps, flow, metadata
        self._declared = [{tensor.name: tensor for tensor in step.metadata.inputs} for step in steps]

    def load(self, path: Path, config: dict[str, Any]) -> None:
        """Its steps are loaded already."""

    def metadata(self) -> Metadata:
        return self._metadata

    def predict(self, inputs: Arrays, context: Context | None = None) -> Arrays:
        context = context or Context()
        results: list[Arrays] = []
        seconds: dict[str, float] = {}
        for index, step in enumerate(self._steps):
            begun = perf_counter()
            results.append(step.call(self._given(index, inputs, results), context))
            seconds[step.name] = taken = perf_counter() - begun
            self.observe(step.name, taken)
        return Timed(self._answer(results), seconds)

    def stream(self, inputs: Arrays, context: Context) -> Iterator[Arrays]:
        """The answers of the last step, one by one, after one run of those before it."""
        results: list[Arrays] = []
        for index, step in enumerate(self._steps[:-1]):
            begun = perf_counter()
            results.append(step.call(self._given(index, inputs, results), context))
            self.observe(step.name, perf_counter() - begun)
        last: Any = self._steps[-1]
        begun = perf_counter()
        try:
            for outputs in last.loaded.stream(self._given(len(results), inputs, results), context):
                yield self._answer([*results, outputs])
        except Exception as exc:
            raise last.blamed(exc) from exc
        finally:
            self.observe(last.name, perf_counter() - begun)

    def _given(self, index: int, inputs: Arrays, results: Sequence[Arrays]) -> dict[str, Any]:
        feeds = self._flow.feeds[index]
        if feeds is None:
            return dict(results[-1] if results else inputs)
        given = {}
        for sink, source in feeds.items():
            array = self._from(source, sink, inputs, results)
            if array is None:
                continue  # optional, and the request did not bring it
            tensor = self._declared[index].get(sink)
            given[sink] = array if tensor is None else self._fitted(index, array, tensor)
        return given

    def _from(self, source: Source, sink: str, inputs: Arrays, results: Sequence[Arrays]) -> Any:
        if source.step < 0:
            return inputs.get(source.name or sink)
        gave = results[source.step]
        name = source.name or (sink if sink in gave or len(gave) != 1 else next(iter(gave)))
        if name in gave:
            return gave[name]
        raise StepFailed(
            f'step "{self._steps[source.step].name}" gave no output "{name}" (outputs: {", ".join(gave) or "none"})'
        )

    def _fitted(self, index: int, array: Any, tensor: Tensor) -> Any:
        try:
            return fitted(array, tensor)
        except ValueError as exc:
            raise StepFailed(f'step "{self._steps[index].name}", {exc}') from exc

    def _answer(self, results: Sequence[Arrays]) -> Mapping[str, Any]:
        if self._flow.outputs is None:
            return results[-1]
        return {name: self._from(source, name, {}, results) for name, source in self._flow.outputs}


def _nobody(_name: str, _seconds: float) -> None:
    """Before somebody asks."""
