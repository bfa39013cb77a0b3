"""Keras models (.keras, .h5) through Keras 3, compiled by JAX: the smallest backend that has every layer."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.frameworks.keras_backends import compiled, device_of, padded
from mlserve.runtime.frameworks.safety import refused
from mlserve.runtime.processors.base import Arrays, Metadata, Place, Tensor, declared

REQUIREMENTS: tuple[str, ...] = ("keras>=3.11.3", "h5py>=3")
"""Before 3.11.3 a file could run code in spite of safe_mode."""
CHOICES: dict[str, dict[str, tuple[str, ...]]] = {
    "backend": {
        "": ("jax>=0.4.30",),
        "jax": ("jax>=0.4.30",),
        "torch": ("torch>=2.2",),
        "tensorflow": (
            'tensorflow-cpu>=2.16; platform_system == "Linux" and platform_machine == "x86_64"',
            'tensorflow>=2.16; platform_system != "Linux" or platform_machine != "x86_64"',
        ),
    },
}
"""What a word of model_config adds to the requirements; ``""``: where it isn't set."""
SUFFIXES: tuple[str, ...] = (".keras", ".h5", ".hdf5")
ALIASES: tuple[str, ...] = (r"keras(_\w+)?", r"hdf5", r"h5")

_HINT = "save it again with model.save('model.keras')"


def create(place: Place) -> KerasProcessor:
    return KerasProcessor(place)


class KerasProcessor:
    """Answers by the names of the model's outputs. On JAX batches are filled up to powers of two: each compiles."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._backend = ""
        self._call: Callable[[Arrays], dict[str, Any]]
        self._metadata = Metadata()

    def load(self, path: Path, config: dict[str, Any]) -> None:
        self._backend = _chosen(config)
        os.environ["KERAS_BACKEND"] = self._backend
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        if self._backend == "jax" and self._place.threads == 1:
            os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
        import keras

        model = _model(keras, path, config, safe_only=self._place.require_safe)
        device = device_of(self._backend, self._place)
        inputs, outputs = _inputs(model), _outputs(keras, model)
        rows = all(tensor.shape and tensor.shape[0] == -1 for tensor in (*inputs, *outputs))
        call = compiled(keras, model, self._backend, [tensor.name for tensor in inputs])
        names = [tensor.name for tensor in outputs]
        self._call = lambda given: _named(names, keras.tree.flatten(call(given)), keras)
        self._call = padded(self._call) if rows and self._backend == "jax" else self._call
        self._metadata = Metadata(inputs, outputs, "keras", rows=rows, facts=self._facts(keras, device, config))

    def metadata(self) -> Metadata:
        return self._metadata

    def predict(self, inputs: Arrays) -> Arrays:
        return self._call(inputs)

    def _facts(self, keras: Any, device: str, config: dict[str, Any]) -> dict[str, Any]:
        library = __import__(self._backend)
        return {
            "threads": {self._backend: self._place.threads},
            "versions": {"keras": keras.__version__, self._backend: library.__version__},
            "device": device,
            "unsafe_file": config.get("safe_mode") is False,
        }


def _chosen(config: dict[str, Any]) -> str:
    wanted = str(config.get("backend") or "jax")
    if wanted not in CHOICES["backend"]:
        words = ", ".join(filter(None, CHOICES["backend"]))
        raise StartFailure("bad-entry", f'no Keras backend "{wanted}" (backends: {words})', 'change "backend"')
    return wanted


def _model(keras: Any, path: Path, config: dict[str, Any], *, safe_only: bool) -> Any:
    safe_mode = config.get("safe_mode") is not False or safe_only
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=safe_mode)
    except (ValueError, TypeError, OSError, KeyError, EOFError) as exc:
        text = " ".join(str(exc).split())
        if "Lambda" in text and "deserialization" in text:
            raise _lambda(path, safe_only) from exc
        if "Could not locate class" in text or "Unknown layer" in text or "custom object" in text:
            raise StartFailure(
                "unreadable-model",
                f"{path.name} uses a class of your own: {text[:300]}",
                "serve it with processor_type python, or export it: model.export(folder) and processor tensorflow",
            ) from exc
        size = path.stat().st_size
        raise StartFailure(
            "corrupt-model", f"{path.name} ({size} bytes) is not a whole Keras model: {text[:300]}", _HINT
        ) from exc


def _lambda(path: Path, safe_only: bool) -> StartFailure:
    what = "holds a Lambda layer: Python code that runs when it is read"
    instead = "write the layer as a class or an operation of keras.ops"
    if safe_only:
        return refused(path, what, instead)
    return StartFailure(
        "unreadable-model",
        f"{path.name} {what}",
        f'if you trust it: "model_config": {{"safe_mode": false}}; else {instead}',
    )


def _inputs(model: Any) -> tuple[Tensor, ...]:
    if not getattr(model, "inputs", None):
        raise StartFailure(
            "unreadable-model", "the model was never called, so that its inputs are not known", "call it, then save it"
        )
    return tuple(_tensor(str(item.name), item) for item in model.inputs)


def _outputs(keras: Any, model: Any) -> tuple[Tensor, ...]:
    """Named as the user named them: keys of a dict, else the layers that give them."""
    struct = getattr(model, "_outputs_struct", None)
    if isinstance(struct, dict):
        names = sorted(struct)  # as the tree flattens it
        return tuple(_tensor(name, struct[name]) for name in names)
    layers = list(getattr(model, "output_names", None) or [model.layers[-1].name])
    names = layers if len(set(layers)) == len(model.outputs) else [f"output_{i}" for i in range(len(model.outputs))]
    return tuple(_tensor(name, item) for name, item in zip(names, model.outputs, strict=True))


def _tensor(name: str, item: Any) -> Tensor:
    from mlserve.runtime.tensors import datatype_named

    kind = "float32" if item.dtype == "bfloat16" else str(item.dtype)
    return Tensor(name, datatype_named("bytes" if kind == "string" else kind), declared(item.shape))


def _named(names: list[str], values: list[Any], keras: Any) -> dict[str, Any]:
    arrays = (keras.ops.convert_to_numpy(value) for value in values)
    return {name: array if array.dtype.isbuiltin else array.astype("float32")
            for name, array in zip(names, arrays, strict=True)}  # fmt: skip
