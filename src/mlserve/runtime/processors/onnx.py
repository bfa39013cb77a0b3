"""ONNX models in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from mlserve.runtime.converted import Limit, completed, limits_of, require_within, restored
from mlserve.runtime.failures import StartFailure
from mlserve.runtime.processors.base import Arrays, Metadata, Place, Tensor, declared

REQUIREMENTS: tuple[str, ...] = ("onnxruntime>=1.17",)
GPU_REQUIREMENTS: tuple[str, ...] = ("onnxruntime-gpu[cuda,cudnn]>=1.21",)
SUFFIXES: tuple[str, ...] = (".onnx",)
ALIASES: tuple[str, ...] = (r"onnx(_cpu|_cu\d+)?",)

_DATATYPES = {
    "tensor(bool)": "BOOL", "tensor(uint8)": "UINT8", "tensor(uint16)": "UINT16", "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64", "tensor(int8)": "INT8", "tensor(int16)": "INT16", "tensor(int32)": "INT32",
    "tensor(int64)": "INT64", "tensor(float16)": "FP16", "tensor(float)": "FP32", "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}  # fmt: skip
_TWICE = 64 << 20
"""Bytes of a model that may be in memory twice."""
_ZEROS = {"O": "", "U": "", "S": b""}
_TABLES = {"seq(map(int64,tensor(float)))": "FP32", "seq(map(string,tensor(float)))": "FP32"}
"""What converters of scikit-learn models give for probabilities by default (ZipMap)."""


def create(place: Place) -> OnnxProcessor:
    return OnnxProcessor(place)


class OnnxProcessor:
    """One session. Spinning is off: its cores are shared with the event loop and the gateway.

    It begins with one thread to a call, for several calls at once use the cores best; warm-up measures whether.
    """

    def __init__(self, place: Place) -> None:
        self._gpu = place.gpu
        self._open: Callable[[int], Any] | None = None
        self._session: Any = None
        self._wide: Any = None
        self._busy = 0
        self._light = False
        self._counting = Lock()
        self._metadata = Metadata()
        self._outputs: list[str] = []
        self._maps: frozenset[str] = frozenset()
        self._limits: dict[str, Limit] = {}
        self._complete: Callable[[Arrays], Arrays] | None = None

    def load(self, path: Path, config: dict[str, Any]) -> None:
        import onnxruntime as ort

        ort.set_default_logger_severity(3)
        providers = self._providers(ort, config)

        def session(threads: int) -> Any:
            options = ort.SessionOptions()
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            return ort.InferenceSession(str(path), options, providers=providers)

        asked = config.get("intra_op_num_threads")
        threads = 1 if asked is None else int(asked)
        try:
            self._session = session(threads)
        except Exception as exc:
            raise _failure(path, exc) from exc
        self._open = session if asked is None else None
        self._light = path.stat().st_size <= _TWICE
        self._describe(ort.__version__, threads)

    def resize(self, threads: int) -> None:
        """Compute each call on so many threads, unless the model's config says how many."""
        if self._open is not None:
            self._session = self._open(threads)
            facts = {**(self._metadata.facts or {}), "threads": {"onnxruntime": threads}}
            self._metadata = replace(self._metadata, facts=facts)

    def widen(self, threads: int) -> None:
        """Compute a call that has the cores for itself on so many threads; the others as before."""
        if self._open is not None and self._light:
            self._wide = self._open(threads)
            facts = self._metadata.facts or {}
            self._metadata = replace(
                self._metadata, facts={**facts, "threads": {**facts["threads"], "onnxruntime_alone": threads}}
            )

    def metadata(self) -> Metadata:
        return self._metadata

    def predict(self, inputs: Arrays) -> Arrays:
        if self._complete is not None and len(inputs) < len(self._metadata.inputs):
            inputs = self._complete(inputs)
        if self._limits:
            require_within(inputs, self._limits)
        if self._metadata.rows and not len(next(iter(inputs.values()))):
            return self._nothing(inputs)
        outputs = dict(zip(self._outputs, self._run(inputs), strict=True))
        for name in self._maps:
            outputs[name] = _table(outputs[name])
        return outputs

    def _run(self, inputs: Arrays) -> Any:
        if self._wide is None:
            return self._session.run(self._outputs, inputs)
        with self._counting:
            session = self._session if self._busy else self._wide
            self._busy += 1
        try:
            return session.run(self._outputs, inputs)
        finally:
            with self._counting:
                self._busy -= 1

    def _providers(self, ort: Any, config: dict[str, Any]) -> list[str]:
        have = ort.get_available_providers()
        asked = list(config.get("providers") or ["CUDAExecutionProvider" if self._gpu else "CPUExecutionProvider"])
        if missing := [name for name in asked if name not in have]:
            raise StartFailure(
                "gpu-unavailable",
                f"onnxruntime {ort.__version__} has no {missing[0]} here (it has: {', '.join(have)})",
                'change "providers" in model_config, or gpu in metadata',
            )
        return asked

    def _nothing(self, inputs: Arrays) -> Arrays:
        """No rows in, no rows out: some operators of ONNX Runtime (LSTM) end the whole process when asked with none."""
        import numpy as np

        one = {name: np.full((1, *array.shape[1:]), _ZEROS.get(array.dtype.kind, 0), array.dtype)
               for name, array in inputs.items()}  # fmt: skip
        return {name: array[:0] for name, array in self.predict(one).items()}

    def _describe(self, version: str, threads: int) -> None:
        nodes, outputs = self._session.get_inputs(), self._session.get_outputs()
        foreign = [node for node in nodes if node.type not in _DATATYPES]
        foreign += [node for node in outputs if node.type not in _DATATYPES and node.type not in _TABLES]
        if foreign:
            kinds = ", ".join(f"{node.name}: {node.type}" for node in foreign)
            raise StartFailure(
                "unreadable-model", f"types that can't travel in a request ({kinds})", "export it with plain tensors"
            )
        self._maps = frozenset(node.name for node in outputs if node.type in _TABLES)
        self._outputs = [node.name for node in outputs]
        found = Metadata(
            inputs=tuple(Tensor(node.name, _DATATYPES[node.type], declared(node.shape)) for node in nodes),
            outputs=tuple(_output(node) for node in outputs),
            platform="onnx_onnxv1",
            rows=_share_first_axis([*nodes, *outputs]),
            facts={
                "threads": {"onnxruntime": threads},
                "versions": {"onnxruntime": version},
                "device": "cuda" if "CUDA" in self._session.get_providers()[0] else "cpu",
            },
        )
        properties = self._session.get_modelmeta().custom_metadata_map
        self._metadata, self._limits = restored(properties, found), limits_of(properties)
        self._complete = completed(properties, self._metadata)


def _share_first_axis(nodes: list[Any]) -> bool:
    """Every first size is open, and by its symbol the same one."""
    plain = [node for node in nodes if node.type not in _TABLES]
    if not plain or any(not node.shape or isinstance(node.shape[0], int) for node in plain):
        return False
    return len({node.shape[0] for node in plain}) == 1


def _output(node: Any) -> Tensor:
    if node.type in _TABLES:
        return Tensor(node.name, _TABLES[node.type], (-1, -1))
    return Tensor(node.name, _DATATYPES[node.type], declared(node.shape))


def _table(rows: list[dict[Any, float]]) -> Any:
    import numpy as np

    return np.array([list(row.values()) for row in rows], dtype=np.float32)


def _failure(path: Path, exc: Exception) -> StartFailure:
    text = " ".join(str(exc).split())[:300]
    kind = type(exc).__name__
    if kind == "NoSuchFile":
        return StartFailure(
            "missing-model", f"no model at {path}: {text}", "check model_path; external data lies beside the .onnx file"
        )
    if "opset" in text or "IR version" in text or kind == "NotImplemented":
        return StartFailure(
            "version-mismatch", f"{path.name} needs another onnxruntime: {text}", "export with an older opset"
        )
    size = path.stat().st_size
    return StartFailure(
        "corrupt-model",
        f"{path.name} ({size} bytes) is not a whole ONNX model: {text}",
        "export or copy the model again",
    )
