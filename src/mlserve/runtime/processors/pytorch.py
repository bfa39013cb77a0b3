"""PyTorch programs: TorchScript (.pt, .pth) and torch.export (.pt2). Weights alone, or pickled classes, are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.frameworks.pytorch_files import broken, kind_of
from mlserve.runtime.frameworks.safety import refused
from mlserve.runtime.processors.base import Arrays, Metadata, Place, Tensor, declared

REQUIREMENTS: tuple[str, ...] = ("torch>=2.1",)
SUFFIXES: tuple[str, ...] = (".pt", ".pth", ".pt2", ".ts")
ALIASES: tuple[str, ...] = (r"pytorch(_(cpu|gpu)(_\d+\.\d+)?)?", r"torch(script)?")


def create(place: Place) -> PytorchProcessor:
    return PytorchProcessor(place)


class PytorchProcessor:
    """A program and the names of its inputs; ``model_config`` may name inputs, outputs and labels."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._torch: Any = None
        self._device = "cpu"
        self._run: Callable[[list[Any]], Any]
        self._metadata = Metadata()

    def load(self, path: Path, config: dict[str, Any]) -> None:
        kind = kind_of(path)
        if self._place.require_safe:
            _refuse_code(path)
        import torch

        self._torch = torch
        torch.set_num_threads(self._place.threads)
        self._device = self._choose_device()
        inputs = self._scripted(path, config) if kind == "script" else self._exported(path, config)
        outputs = self._outputs(inputs, config)
        self._metadata = Metadata(
            inputs=inputs,
            outputs=outputs,
            platform="pytorch_libtorch" if kind == "script" else "pytorch_export",
            rows=_rows(inputs, outputs),
            facts={
                "threads": {"torch": self._place.threads},
                "versions": {"torch": torch.__version__},
                "device": "cpu" if self._device == "cpu" else f"cuda ({torch.cuda.get_device_name()})",
            },
        )

    def metadata(self) -> Metadata:
        return self._metadata

    def predict(self, inputs: Arrays) -> Arrays:
        named = _named(self._called([inputs[tensor.name] for tensor in self._metadata.inputs]))
        return {tensor.name: array for tensor, array in zip(self._metadata.outputs, named.values(), strict=True)}

    def _called(self, arrays: Sequence[Any]) -> Any:
        torch = self._torch
        with torch.inference_mode():
            # A copy where the array is a view on the request's bytes, which may not be written to.
            given = [torch.from_numpy(a if a.flags.writeable else a.copy()).to(self._device) for a in arrays]
            return self._run(given)

    def _choose_device(self) -> str:
        torch = self._torch
        if not self._place.gpu:
            return "cpu"
        if not torch.cuda.is_available():
            built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built for the CPU alone"
            raise StartFailure(
                "gpu-unavailable",
                f"PyTorch {torch.__version__} ({built}) sees no GPU here",
                "check the driver with nvidia-smi; a wheel folder with a +cpu build doesn't help here",
            )
        return "cuda"

    def _scripted(self, path: Path, config: dict[str, Any]) -> tuple[Tensor, ...]:
        try:
            module = self._torch.jit.load(str(path), map_location=self._device).eval()
        except (RuntimeError, ValueError, OSError) as exc:
            raise broken(path, exc) from exc
        self._run = lambda given: module(*given)
        names = [argument.name for argument in module.forward.schema.arguments[1:]]
        return _configured(config, names, path)

    def _exported(self, path: Path, config: dict[str, Any]) -> tuple[Tensor, ...]:
        try:
            program = self._torch.export.load(str(path))
        except (RuntimeError, ValueError, OSError, KeyError, AssertionError, TypeError) as exc:
            raise broken(path, exc) from exc
        if self._device != "cpu":
            from torch.export.passes import move_to_device_pass

            program = move_to_device_pass(program, self._device)
        module, struct = program.module(), program.call_spec.in_spec
        unflatten = self._torch.utils._pytree.tree_unflatten

        def run(given: list[Any]) -> Any:
            args, kwargs = unflatten(given, struct)
            return module(*args, **kwargs)

        self._run = run
        own = _placeholders(program)
        return _configured(config, [tensor.name for tensor in own], path) if config.get("inputs") else own

    def _outputs(self, inputs: tuple[Tensor, ...], config: dict[str, Any]) -> tuple[Tensor, ...]:
        """Seen by calling it with one row and with two: sizes that follow the rows are open."""
        one, two = (self._probed(inputs, rows) for rows in (1, 2))
        names = [str(item["name"] if isinstance(item, Mapping) else item) for item in config.get("outputs") or one]
        if len(names) != len(one):
            raise StartFailure(
                "bad-entry", f"model_config names {len(names)} outputs, and the model gives {len(one)}", "name them all"
            )
        labels = tuple(str(word) for word in config.get("labels") or ()) or None
        found = []
        for name, first, second in zip(names, one.values(), (two or one).values(), strict=True):
            sizes = tuple(a if a == b else -1 for a, b in zip(first.shape, second.shape, strict=True))
            worded = labels if labels and sizes and sizes[-1] == len(labels) else None
            found.append(Tensor(name, _datatype(first), sizes, labels=worded))
        return tuple(found)

    def _probed(self, inputs: tuple[Tensor, ...], rows: int) -> dict[str, Any]:
        from mlserve.runtime.warm_up import synthetic

        try:
            return _named(self._called([synthetic(tensor, rows) for tensor in inputs]))
        except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as exc:
            if rows > 1:
                return {}  # a program for one row only
            text = " ".join(str(exc).split())[-300:]
            shapes = ", ".join(f"{tensor.name} {list(tensor.shape or ())}" for tensor in inputs)
            raise StartFailure(
                "bad-entry",
                f"the model refuses inputs as they are declared ({shapes}): {text}",
                'correct "inputs" in model_config',
            ) from exc


def _refuse_code(path: Path) -> None:
    """TorchScript runs in an interpreter that has no way to Python; torch.export's reader has several."""
    from mlserve.inspection import inspect

    if why := inspect(path).runs_code:
        raise refused(path, f"is not safe: {why}", "save it as TorchScript (torch.jit.script(model).save), or as ONNX")


def _configured(config: dict[str, Any], names: list[str], path: Path) -> tuple[Tensor, ...]:
    """The inputs as model_config has them: the program knows their names and not their types and shapes."""
    told = config.get("inputs")
    example = ", ".join(f'{{"name": "{name}", "type": "float", "shape": [-1, 4]}}' for name in names)
    wish = f'write what the model takes into the descriptor: "model_config": {{"inputs": [{example}]}}'
    if not told:
        raise StartFailure(
            "bad-entry",
            f"{path.name} does not say of which type and shape its inputs are ({', '.join(names)})",
            wish + ", or export it with torch.export, whose files do",
        )
    if not isinstance(told, list) or len(told) != len(names):
        raise StartFailure("bad-entry", f"model_config must list the inputs {', '.join(names)} in this order", wish)
    from mlserve.runtime.tensors import datatype_named

    try:
        return tuple(
            Tensor(
                str(item.get("name", name)),
                datatype_named(str(item.get("type") or item.get("datatype") or "float")),
                declared(item["shape"]),
            )
            for item, name in zip(told, names, strict=True)
        )
    except (KeyError, AttributeError, ValueError, TypeError) as exc:
        raise StartFailure("bad-entry", f"model_config.inputs can't be read: {exc!r}", wish) from exc


def _placeholders(program: Any) -> tuple[Tensor, ...]:
    wanted = list(program.graph_signature.user_inputs)
    nodes = {node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"}
    return tuple(Tensor(name, _datatype(nodes[name]), declared(tuple(nodes[name].shape))) for name in wanted)


def _named(answer: Any) -> dict[str, Any]:
    """What a model gives, by name: its own keys, else ``output`` or ``output_0``, ``output_1``…"""
    if isinstance(answer, Mapping):
        return {str(key): value.detach().cpu().numpy() for key, value in answer.items() if hasattr(value, "detach")}
    if not isinstance(answer, list | tuple):
        return {"output": answer.detach().cpu().numpy()}
    tensors = [value for value in answer if hasattr(value, "detach")]
    return {f"output_{place}": value.detach().cpu().numpy() for place, value in enumerate(tensors)}


def _datatype(array: Any) -> str:
    from mlserve.runtime.tensors import datatype_named

    kind = str(array.dtype).removeprefix("torch.")
    try:
        return datatype_named(kind)
    except ValueError as exc:
        raise StartFailure(
            "unreadable-model", f"a tensor of type {kind} can't travel in a request", "let the model give float32"
        ) from exc


def _rows(inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> bool:
    return bool(inputs) and all(tensor.shape and tensor.shape[0] == -1 for tensor in (*inputs, *outputs))
