"""The Open Inference Protocol's answer: which outputs are wanted, in JSON or binary, and the body that holds them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from mlserve.errors import InvalidInput
from mlserve.runtime.pipeline import timing
from mlserve.runtime.processors.base import Tensor
from mlserve.runtime.protocols import binary
from mlserve.runtime.protocols.base import JSON, Encode, Model, Reply, dump_json, texts
from mlserve.runtime.protocols.by_row import ByRow, frame, is_small, numbers, verbatim
from mlserve.runtime.protocols.classification import class_count, classified
from mlserve.runtime.scheduling.shares import Whole
from mlserve.runtime.tensors import Array, BadTensor, datatype_of


class Wanted(NamedTuple):
    """How one output is answered."""

    binary: bool
    classes: int = 0


class Wishes(NamedTuple):
    """What the client wants back: the id echoed, which outputs (``None``: all), and whether in binary."""

    identity: Any
    chosen: dict[str, Wanted] | None
    everything: Wanted
    timed: bool = False
    """Milliseconds by step of a pipeline are wanted, too."""


BINARY = b"application/octet-stream"
_KEPT = 256
_AS_JSON, _AS_BINARY = Wanted(False), Wanted(True)


class ReplyWriter:
    """Writes answers of one model."""

    def __init__(self, model: Model) -> None:
        self._outputs: dict[str, Tensor] = {tensor.name: tensor for tensor in model.signature.metadata.outputs}
        self._known: dict[Hashable, ByRow] = {}
        self._about = {"model_name": model.service, "model_version": str(model.version)}

    def wishes(self, asked: dict[str, Any]) -> Wishes:
        """What the JSON header asks for."""
        parameters, outputs = asked.get("parameters"), asked.get("outputs")
        everything = _AS_BINARY if isinstance(parameters, dict) and parameters.get("binary_data_output") else _AS_JSON
        timed = isinstance(parameters, dict) and parameters.get(timing.PARAMETER) is True
        if not outputs:
            return Wishes(asked.get("id"), None, everything, timed)
        if not isinstance(outputs, list):
            raise InvalidInput('"outputs" wants a list of objects with a name')
        return Wishes(asked.get("id"), dict(self._wanted(output, everything) for output in outputs), everything, timed)

    def known(self, wishes: Wishes) -> Encode:
        """The encoder of all requests that wish the same."""
        key = (wishes.everything, tuple((wishes.chosen or {}).items()))
        found = self._known.get(key)
        if found is None:
            found = ByRow(partial(self.rows, wishes), partial(self.write, wishes))
            if len(self._known) < _KEPT:
                self._known[key] = found
        return found

    def write(self, wishes: Wishes, outputs: Mapping[str, Array]) -> Reply:
        """The body, its type and its headers."""
        listed: list[dict[str, Any]] = []
        blobs: list[bytes] = []
        for name in wishes.chosen or outputs:
            if name not in outputs:
                raise no_output(name, outputs)
            wanted = wishes.chosen[name] if wishes.chosen else wishes.everything
            array = outputs[name]
            if wanted.classes:
                tensor = self._outputs.get(name)
                array = classified(name, array, wanted.classes, tensor.labels if tensor else None)
            entry: dict[str, Any] = {"name": name, "datatype": datatype_of(array), "shape": array.shape}
            if wanted.binary:
                blob = binary.write(array)
                entry["parameters"] = {"binary_data_size": len(blob)}
                blobs.append(blob)
            else:
                entry["data"] = texts(array.ravel()) if array.dtype.kind in "OUS" else array.ravel()
            listed.append(entry)
        known: dict[str, Any] = {} if wishes.identity is None else {"id": wishes.identity}
        if wishes.timed and (taken := timing.parameters(outputs)):
            known["parameters"] = taken
        text = dump_json({**self._about, **known, "outputs": listed})
        if not blobs:
            return text, JSON, b""
        length = b"inference-header-content-length: %d\r\n" % len(text)
        return b"".join((text, *blobs)), BINARY, length

    def rows(self, wishes: Wishes, whole: Whole) -> list[Reply]:
        """The answers of a call's requests of one row each, all alike but for their numbers; none: they are not so."""
        outputs = whole.outputs
        chosen = wishes.chosen or dict.fromkeys(outputs, wishes.everything)
        if any(w.classes or n not in outputs or not is_small(outputs[n], whole.rows) for n, w in chosen.items()):
            return []
        start = dump_json({**self._about, "outputs": []})[:-2]
        if all(wanted.binary for wanted in chosen.values()):
            return self._binary_rows(start, {name: outputs[name] for name in chosen}, whole.rows)
        if any(wanted.binary for wanted in chosen.values()):
            return []
        frames = [frame(_entry(name, outputs[name])[:-1] + b',"data":[', b"]}") for name in chosen]
        text = verbatim(start) + b",".join(frames) + b"]}"
        columns = [numbers(outputs[name], whole.rows) for name in chosen]
        return [(text % values, JSON, b"") for values in zip(*columns, strict=True)]

    def _binary_rows(self, start: bytes, outputs: Mapping[str, Array], rows: int) -> list[Reply]:
        sizes = [array.nbytes // rows for array in outputs.values()]
        entries = [
            _entry(name, array, parameters={"binary_data_size": size})
            for (name, array), size in zip(outputs.items(), sizes, strict=True)
        ]
        text = start + b",".join(entries) + b"]}"
        length = b"inference-header-content-length: %d\r\n" % len(text)
        columns = [
            [blob[at : at + size] for at in range(0, len(blob), size)]
            for blob, size in zip(map(binary.write, outputs.values()), sizes, strict=True)
        ]
        return [(text + b"".join(blobs), BINARY, length) for blobs in zip(*columns, strict=True)]

    def _wanted(self, output: Any, everything: Wanted) -> tuple[str, Wanted]:
        name = output.get("name") if isinstance(output, dict) else None
        if not isinstance(name, str):
            raise InvalidInput('"outputs" wants a list of objects with a name')
        if self._outputs and name not in self._outputs:
            raise no_output(name, self._outputs)
        more = output.get("parameters")
        if more is None:
            return name, everything
        if not isinstance(more, dict):
            raise InvalidInput(f'output "{name}": "parameters" wants an object; came {str(more)[:40]!r}')
        if "shared_memory_region" in more:
            raise InvalidInput(f'output "{name}": shared memory is not offered here; take the answer from the reply')
        classes = class_count(name, more["classification"]) if more.get("classification") else 0
        return name, Wanted(bool(more.get("binary_data", everything.binary)), classes)


def _entry(name: str, array: Array, **more: Any) -> bytes:
    """How an output of one row is described."""
    return dump_json({"name": name, "datatype": datatype_of(array), "shape": [1, *array.shape[1:]], **more})


def no_output(name: str, known: Iterable[str]) -> BadTensor:
    """The complaint about an output that there isn't."""
    names = ", ".join(known)
    return BadTensor(f'no output "{name}" (outputs: {names})', name=name, wanted=names, came=name)
