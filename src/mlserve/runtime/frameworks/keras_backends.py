"""Keras on JAX, PyTorch or TensorFlow: the device of each, and a model as one function of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.processors.base import Arrays, Place


def device_of(backend: str, place: Place) -> str:
    """The device that Keras computes on, which the backend chooses by itself where it sees a GPU."""
    if backend == "torch":
        import torch

        torch.set_num_threads(place.threads)
        gpu = torch.cuda.is_available()
    elif backend == "tensorflow":
        import tensorflow

        gpu = bool(tensorflow.config.list_logical_devices("GPU"))
    else:
        import jax

        gpu = jax.default_backend() == "gpu"
    if place.gpu and not gpu:
        raise StartFailure(
            "gpu-unavailable", f"Keras on {backend} sees no GPU here", 'set "backend" in model_config to "torch"'
        )
    return "cuda" if gpu else "cpu"


def compiled(keras: Any, model: Any, backend: str, names: list[str]) -> Callable[[Arrays], Any]:
    """The model as one function of arrays by name, compiled where the backend compiles."""

    def given(inputs: Arrays) -> Any:
        ordered = [inputs[name] for name in names]
        struct = getattr(model, "_inputs_struct", None)
        return ordered[0] if struct is None else keras.tree.pack_sequence_as(struct, ordered)

    if backend == "jax":
        import jax

        weights = [v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]
        run = jax.jit(lambda trained, kept, x: model.stateless_call(trained, kept, x, training=False)[0])
        return lambda inputs: run(*weights, given(inputs))
    if backend == "tensorflow":
        import tensorflow

        function = tensorflow.function(lambda x: model(x, training=False), reduce_retracing=True)
        return lambda inputs: function(keras.tree.map_structure(tensorflow.convert_to_tensor, given(inputs)))
    import torch

    def run_torch(inputs: Arrays) -> Any:
        with torch.inference_mode():
            return model(given(inputs), training=False)

    return run_torch


def padded(call: Callable[[Arrays], dict[str, Any]]) -> Callable[[Arrays], dict[str, Any]]:
    """Call with a power of two of rows: seven compilations serve every batch up to 64."""
    import numpy as np

    def fill(array: Any, missing: int) -> Any:
        return np.concatenate([array, np.repeat(array[:1], missing, axis=0)]) if missing else array

    def run(inputs: Arrays) -> dict[str, Any]:
        count = len(next(iter(inputs.values())))
        if not count:
            one = {name: np.zeros((1, *array.shape[1:]), array.dtype) for name, array in inputs.items()}
            return {name: array[:0] for name, array in call(one).items()}
        missing = (1 << (count - 1).bit_length()) - count
        outputs = call({name: fill(array, missing) for name, array in inputs.items()})
        return {name: array[:count] for name, array in outputs.items()}

    return run
