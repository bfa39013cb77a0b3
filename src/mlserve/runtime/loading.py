"""Find the processor by its name and the model's file by its entry, and load them."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType

from mlserve.runtime.failures import StartFailure
from mlserve.runtime.metrics import Metrics
from mlserve.runtime.processors.base import Loaded, Metadata, Place
from mlserve.runtime.spec import Spec
from mlserve.runtime.threads import threads_for

log = logging.getLogger(__name__)


def load(spec: Spec, metrics: Metrics | None = None) -> Loaded:
    """The processor of a spec, its model loaded."""
    if spec.pipeline:
        from mlserve.runtime.pipeline.loading import load_pipeline  # few services have one

        pipeline = load_pipeline(spec, partial(_loaded, metrics=metrics))
        if metrics is not None:
            pipeline.observe = metrics.step
        processor: Loaded = pipeline
    else:
        processor = _loaded(spec, metrics)
    _require_gpu(processor.metadata(), spec)
    return processor


def _loaded(spec: Spec, metrics: Metrics | None) -> Loaded:
    try:
        return _loaded_there(spec, metrics)
    except StartFailure as exc:
        if exc.cause != "gpu-unavailable" or not spec.allow_cpu:
            raise
        log.warning("event=on-cpu reason=%r", exc.reason)
        return _loaded_there(replace(spec, gpu=0), metrics)


def _loaded_there(spec: Spec, metrics: Metrics | None) -> Loaded:
    module = _module(spec.processor)
    place = Place(
        model_path=Path(spec.model_path) if spec.model_path else None,
        model_entry=spec.model_entry,
        processor_path=Path(spec.processor_path) if spec.processor_path else None,
        processor_entry=spec.processor_entry,
        threads=threads_for(spec.cpu),
        require_safe=spec.require_safe,
        gpu=spec.gpu,
        service=spec.service,
        metrics=metrics,
    )
    processor: Loaded = module.create(place)
    suffixes: Sequence[str] = getattr(module, "SUFFIXES", ())
    markers: Sequence[str] = getattr(module, "MARKERS", ())
    processor.load(find_model(place, suffixes, markers) if suffixes or markers else _given(place), spec.config)
    return processor


def _require_gpu(metadata: Metadata, spec: Spec) -> None:
    """A GPU that was asked for and isn't used is a failed start; a user's own code answers for itself."""
    device = (metadata.facts or {}).get("device", "cpu")
    if spec.gpu and not spec.allow_cpu and metadata.trusted and device == "cpu":
        raise StartFailure(
            "gpu-unavailable",
            f"metadata.gpu asks for {spec.gpu:g}, and the processor {spec.processor} computes on the CPU here",
            "take gpu out of metadata, set metadata.allow_cpu, or serve the model in a format that a GPU runs "
            "(onnx, pytorch, tensorflow)",
        )


def find_model(place: Place, suffixes: Sequence[str], markers: Sequence[str] = ()) -> Path:
    """The model's own file or folder.

    The entry, the path itself, the only file in the directory with one of the suffixes, or the folder that a marker
    (``saved_model.pb``) lies in; of folders that are numbers, which are versions, the highest.
    """
    if place.model_path is None:
        raise StartFailure(
            "missing-model", "this processor needs a model and the descriptor has no model_path", 'add "model_path"'
        )
    path = _given(place)
    if path.is_file():
        return path.parent if path.name in markers else path
    if marked := _marked(path, markers):
        return marked
    files = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    matching = [file for file in files if file.suffix in suffixes]
    if len(matching) == 1:
        return matching[0]
    listed = ", ".join(str(file.relative_to(path)) for file in files[:20]) or "nothing"
    if not matching:
        raise StartFailure(
            "missing-model",
            f"no {' or '.join((*suffixes, *markers))} file in {path.name}/ (found: {listed})",
            "check processor and model_path",
        )
    raise StartFailure(
        "bad-entry",
        f"{len(matching)} files in {path.name}/ could be the model (found: {listed})",
        'name the one with "model_entry"',
    )


def _marked(path: Path, markers: Sequence[str]) -> Path | None:
    """The folder of the marker nearest to the top; None where there is none, or several that are no versions."""
    found = sorted(
        {file.parent for marker in markers for file in path.rglob(marker)}, key=lambda folder: len(folder.parts)
    )
    top = [folder for folder in found if len(folder.parts) == len(found[0].parts)]
    if len(top) > 1 and all(folder.name.isdecimal() for folder in top):
        return max(top, key=lambda folder: int(folder.name))
    return top[0] if len(top) == 1 else None


def _given(place: Place) -> Path:
    """The entry inside the model's directory, or the path as it is; it exists."""
    path = place.model_path or place.processor_path or Path()
    if place.model_entry and place.model_path and place.model_path.is_dir():
        path = place.model_path / place.model_entry
    if path.exists():
        return path
    nearby = ", ".join(sorted(p.name for p in path.parent.iterdir())[:20]) if path.parent.is_dir() else "no such folder"
    raise StartFailure(
        "missing-model", f"no model at {path} (found there: {nearby})", "check model_path and model_entry"
    )


def _module(name: str) -> ModuleType:
    folder = Path(__file__).parent / "processors"
    if name.isidentifier() and name != "base" and (folder / f"{name}.py").is_file():
        return importlib.import_module(f"mlserve.runtime.processors.{name}")
    from importlib.metadata import entry_points  # looks at every installed package: only for a name that isn't ours

    for point in entry_points(group="mlserve.runtime.processors", name=name):
        return importlib.import_module(point.module)
    choices = sorted(file.stem for file in folder.glob("*.py") if file.stem not in ("__init__", "base"))
    raise StartFailure("bad-entry", f'no processor "{name}" (processors: {", ".join(choices)})', 'change "processor"')
