"""TensorFlow SavedModels, by the signature they were exported with. Never ``predict()``, which takes 40 ms a call."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.frameworks.safety import refused
from mlserve.runtime.processors.base import Arrays, Metadata, Place, Tensor, declared

REQUIREMENTS: tuple[str, ...] = (
    'tensorflow-cpu>=2.12; platform_system == "Linux" and platform_machine == "x86_64"',
    'tensorflow>=2.12; platform_system != "Linux" or platform_machine != "x86_64"',
)
GPU_REQUIREMENTS: tuple[str, ...] = ("tensorflow[and-cuda]>=2.14",)
SUFFIXES: tuple[str, ...] = ()
MARKERS: tuple[str, ...] = ("saved_model.pb",)
ALIASES: tuple[str, ...] = (r"tensorflow(_(cpu|gpu)(_\d+\.\d+)?)?", r"saved_?model", r"tf")

_DATATYPES = {
    "bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "int8": "INT8",
    "int16": "INT16", "int32": "INT32", "int64": "INT64", "float16": "FP16", "float32": "FP32", "float64": "FP64",
    "string": "BYTES",
}  # fmt: skip
_HINT = "export it again with tf.saved_model.save(model, folder), and name that folder as model_path"


def create(place: Place) -> TensorflowProcessor:
    return TensorflowProcessor(place)


class TensorflowProcessor:
    """One signature: ``signature_name`` of model_config, else ``serving_default``, else the only one there is."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._model: Any = None
        self._function: Any = None
        self._tf: Any = None
        self._metadata = Metadata()

    def load(self, path: Path, config: dict[str, Any]) -> None:
        if not (path / "saved_model.pb").is_file():
            raise StartFailure("missing-model", f"{path.name} is not the folder of a SavedModel", _HINT)
        if self._place.require_safe:
            _refuse_reaching_out(path)
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import tensorflow as tf

        device = self._devices(tf)
        # The model owns the variables: without it the signature's function would lose them.
        self._tf, self._model = tf, _saved_model(tf, path)
        name = _signature(self._model.signatures, str(config.get("signature_name") or ""), path)
        self._function = self._model.signatures[name]
        self._describe(name, device)

    def metadata(self) -> Metadata:
        return self._metadata

    @property
    def function(self) -> Any:
        """The signature that answers, for who converts it."""
        return self._function

    def predict(self, inputs: Arrays) -> Arrays:
        convert = self._tf.convert_to_tensor
        outputs = self._function(**{name: convert(array) for name, array in inputs.items()})
        return {name: tensor.numpy() for name, tensor in outputs.items()}

    def _devices(self, tf: Any) -> str:
        tf.config.threading.set_intra_op_parallelism_threads(self._place.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        gpus = tf.config.list_physical_devices("GPU")
        if not self._place.gpu:
            tf.config.set_visible_devices([], "GPU")
            return "cpu"
        if not gpus:
            raise StartFailure(
                "gpu-unavailable",
                f"TensorFlow {tf.__version__} sees no GPU here",
                "check the driver with nvidia-smi, or take gpu out of metadata",
            )
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        return "cuda"

    def _describe(self, name: str, device: str) -> None:
        inputs = self._function.structured_input_signature[1]
        outputs = self._function.structured_outputs
        tensors = [_tensor(name, spec) for name, spec in (*inputs.items(), *outputs.items())]
        self._metadata = Metadata(
            inputs=tuple(tensors[: len(inputs)]),
            outputs=tuple(tensors[len(inputs) :]),
            platform="tensorflow_savedmodel",
            rows=all(tensor.shape and tensor.shape[0] == -1 for tensor in tensors),
            facts={
                "threads": {"tensorflow": self._place.threads},
                "versions": {"tensorflow": self._tf.__version__},
                "device": device,
                "signature": name,
            },
        )


def _refuse_reaching_out(path: Path) -> None:
    """A SavedModel is a graph, which runs no Python; some operations of a graph write files all the same."""
    from mlserve.inspection import inspect

    if why := inspect(path).runs_code:
        raise refused(path, f"can do more than compute: {why}", "export a model without these operations")


def _saved_model(tf: Any, path: Path) -> Any:
    try:
        return tf.saved_model.load(str(path))
    except (OSError, ValueError, RuntimeError, TypeError, KeyError, tf.errors.OpError) as exc:
        text = " ".join(str(exc).split())[:300]
        if "Op type not registered" in text:
            raise StartFailure(
                "version-mismatch", f"{path.name} uses an operation that is not here: {text}", _HINT
            ) from exc
        raise StartFailure("corrupt-model", f"{path.name} is not a whole SavedModel: {text}", _HINT) from exc


def _signature(signatures: Any, wanted: str, path: Path) -> str:
    names = [name for name in signatures if not name.startswith("__")]
    if wanted in names:
        return wanted
    if wanted:
        raise StartFailure(
            "bad-entry",
            f'{path.name} has no signature "{wanted}" (signatures: {", ".join(names) or "none"})',
            'change "signature_name" in model_config',
        )
    if "serving_default" in names:
        return "serving_default"
    if len(names) == 1:
        return str(names[0])
    if not names:
        raise StartFailure(
            "unreadable-model",
            f"{path.name} was saved without a signature, so that its inputs are not known",
            "export it with model.export(folder), or tf.saved_model.save(model, folder, signatures=function)",
        )
    raise StartFailure(
        "bad-entry",
        f"{path.name} has the signatures {', '.join(names)}",
        'choose one: "model_config": {"signature_name": …}',
    )


def _tensor(name: str, spec: Any) -> Tensor:
    kind = spec.dtype.name
    if kind not in _DATATYPES:
        raise StartFailure(
            "unreadable-model", f"{name} is of type {kind}, which can't travel in a request", "export it with float32"
        )
    shape = None if spec.shape.rank is None else declared(spec.shape.as_list())
    return Tensor(name, _DATATYPES[kind], shape)
