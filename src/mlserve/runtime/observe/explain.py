"""How much each input counted for an answer, by SHAP: exactly for trees, lines and few columns, else by sampling."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.observe.columns import assembled
from mlserve.runtime.observe.explainers import choose
from mlserve.runtime.observe.libraries import needed
from mlserve.runtime.observe.samples import read_sample
from mlserve.runtime.observe.table import Table
from mlserve.runtime.processors.base import Context, Loaded, Metadata
from mlserve.runtime.tensors import Array

REQUIREMENTS: tuple[str, ...] = ("shap>=0.46",)

_LINES = 4096
_SWITCH_SECONDS = 0.001
_HINT = 'give rows to compare with: "explain": {"background": "train.csv"}'


class Explainer:
    """A processor whose outputs are explanations. One at a time: it has a single slot of its own."""

    def __init__(
        self, wished: Mapping[str, Any], processor: Loaded, metadata: Metadata, sample: Mapping[str, Array] | None
    ) -> None:
        shap = _load_shap()
        self._processor, self._metadata = processor, metadata
        self._table = Table(metadata)
        if problem := self._table.problem or ("" if metadata.rows else "its inputs are not rows"):
            raise StartFailure(
                "not-explainable", f"POST /explain is for tabular models, and {problem}", 'take "explain" out'
            )
        background = self._background(wished, sample)
        self.output = _explained(metadata, self._ask(background[:1]))
        asked = str(wished.get("method") or "auto")
        native = getattr(processor, "estimator", None)
        self.method, self._explain = choose(shap, asked, native, self._answers, background)
        sys.setswitchinterval(_SWITCH_SECONDS)  # its loops are long: predictions must not wait 5 ms for their turn
        self._explain(background[:1])  # compiles

    def load(self, path: Path, config: dict[str, Any]) -> None:
        """The model is loaded already."""

    def metadata(self) -> Metadata:
        return Metadata(self._metadata.inputs, (), "shap", trusted=False)

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Any]:
        """``explanations`` by input: (rows[, columns][, answers]); with ``base_values`` they add up to ``output``."""
        rows = self._table.rows(inputs)
        outputs = self._ask(rows)
        values, base = self._explain(rows)
        return {
            "explanations": self._table.by_input(values),
            "base_values": base,
            "output": self.output,
            "method": self.method,
            "outputs": outputs,
        }

    def state(self) -> dict[str, Any]:
        return {"explain": {"method": self.method, "output": self.output}}

    def _background(self, wished: Mapping[str, Any], sample: Mapping[str, Array] | None) -> Array:
        given = sample
        if wished.get("background"):
            most = int(wished.get("samples") or 100)
            given = assembled(read_sample(Path(str(wished["background"])), most), self._metadata)
            if given is None:
                wanted = ", ".join(tensor.name for tensor in self._metadata.inputs)
                raise StartFailure("bad-sample", f"the background lacks some of the model's inputs ({wanted})", _HINT)
        if given is None:
            raise StartFailure("bad-sample", "there are no rows to compare with, and an explanation is relative", _HINT)
        return self._table.rows(given)

    def _ask(self, rows: Array) -> dict[str, Array]:
        more = (Context(),) if self._metadata.context else ()
        ask: Callable[..., Any] = self._processor.predict
        parts = [ask(self._table.inputs(rows[at : at + _LINES]), *more) for at in range(0, len(rows), _LINES)]
        return {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in parts[0]}

    def _answers(self, rows: Array) -> Array:
        """What is explained: (rows,) or (rows, answers)."""
        answer = self._ask(np.asarray(rows))[self.output]
        flat = answer.reshape(len(answer), -1).astype(np.float64)
        return flat[:, 0] if flat.shape[1] == 1 else flat


def _explained(metadata: Metadata, outputs: Mapping[str, Array]) -> str:
    """The output to explain: of several, the one with most numbers a row (a classifier's probabilities)."""
    sizes = {name: array.size for name, array in outputs.items() if array.dtype.kind in "fiub"}
    if not sizes:
        names = ", ".join(outputs)
        raise StartFailure("not-explainable", f"no output is a number (outputs: {names})", 'take "explain" out')
    floats = {name: size for name, size in sizes.items() if outputs[name].dtype.kind == "f"} or sizes
    return max(floats, key=lambda name: floats[name])


def _load_shap() -> Any:
    with needed("explain", REQUIREMENTS):
        import shap
    return shap
