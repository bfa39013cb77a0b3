"""One conversion from start to end: ask the format, give it the native shape, compare, keep the first that agrees."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlserve.conversion.alignment import aligned
from mlserve.conversion.base import Attempt, CannotConvert, Source, brief
from mlserve.conversion.drawing import Batch, draw
from mlserve.conversion.limits import limits
from mlserve.conversion.parity import Parity, against, compare
from mlserve.runtime.converted import Limit
from mlserve.runtime.failures import StartFailure
from mlserve.runtime.loading import find_model, load
from mlserve.runtime.processors.base import Loaded, Metadata, Place
from mlserve.runtime.spec import Spec
from mlserve.runtime.tensors import datatype_of

_LINE = 200
"""Characters of a reason: it stands in a warning."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to convert, and where the result goes."""

    processor: str
    """The native one: its file in `mlserve.conversion.formats` does it."""
    model_path: str
    target: str
    """Where the ONNX file is written."""
    model_entry: str | None = None
    config: Any = None
    """The descriptor's ``model_config``, as it is there."""
    require_safe: bool = False
    sample: str | None = None
    """Requests as a user sends them."""


def convert(job: Job) -> dict[str, Any]:
    """The record of a conversion: ``to`` is "onnx" where it was made, else ``reason`` says why not."""
    begun = time.monotonic()
    record: dict[str, Any] = {"from": job.processor, "to": None}
    try:
        record |= _first_that_agrees(job)
    except CannotConvert as exc:
        record["reason"] = brief(str(exc), _LINE)
    except StartFailure as exc:
        record["reason"] = brief(exc.reason, _LINE)
    record["seconds"] = round(time.monotonic() - begun, 3)
    return record


def _first_that_agrees(job: Job) -> dict[str, Any]:
    form = import_module(f"mlserve.conversion.formats.{job.processor}")
    spec = _spec(job)
    native = cache(partial(load, spec))
    problems: list[str] = []
    attempts = form.convert(Source(_found(job), spec.config, native))
    while True:
        try:
            attempt = next(attempts, None)
            if attempt is None:
                break
            metadata = attempt.metadata or _answered(native(), attempt)
            converted = _written(attempt, metadata, Path(job.target))
        except (CannotConvert, StartFailure) as exc:
            problems.append(str(exc))
            continue
        except Exception as exc:  # noqa: BLE001 - whatever a converter stumbles over, the model is served as it is
            traceback.print_exc()
            problems.append(f"the converter failed ({brief(exc)})")
            continue
        parity = _compared(job, attempt, native, converted)
        if parity.holds:
            if within := _within(attempt, metadata, native, converted, parity):
                _write(attempt, metadata, Path(job.target), within)
            facts = {"to": "onnx", **_facts(attempt, form), "parity": parity.record()}
            return {**facts, "notes": _notes(attempt, parity, job)}
        problems.append(f"the converted model does not agree: {parity.problem or 'nothing could be compared'}")
    raise CannotConvert(problems[0] if problems else "there is no way to write it as ONNX")


def _answered(native: Loaded, attempt: Attempt) -> Metadata:
    """What the native processor says of itself; an output of which it can't is seen best by asking it."""
    metadata = native.metadata()
    if all(tensor.datatype for tensor in metadata.outputs):
        return metadata
    try:
        answers = native.predict(next(iter(draw(metadata, attempt.hints))).inputs)
    except Exception as exc:
        raise CannotConvert(f"the native library refused made-up inputs ({brief(exc)})") from exc
    outputs = tuple(
        tensor
        if tensor.datatype
        else replace(tensor, datatype=datatype_of(answers[tensor.name]), shape=(-1, *answers[tensor.name].shape[1:]))
        for tensor in metadata.outputs
    )
    return replace(metadata, outputs=outputs)


def _found(job: Job) -> Path:
    module = import_module(f"mlserve.runtime.processors.{job.processor}")
    place = Place(Path(job.model_path), job.model_entry)
    return find_model(place, getattr(module, "SUFFIXES", ()), getattr(module, "MARKERS", ()))


def _spec(job: Job) -> Spec:
    return Spec(
        service="conversion",
        processor=job.processor,
        model_path=job.model_path,
        model_entry=job.model_entry,
        model_config=job.config,
        require_safe=job.require_safe,
    )


def _within(
    attempt: Attempt, metadata: Metadata, native: Callable[[], Loaded], converted: Loaded, parity: Parity
) -> dict[str, Limit]:
    """What the native library refuses is not answered with nonsense either."""
    if attempt.evidence is not None or not attempt.tabular or not metadata.rows:
        return {}
    ordinary = next(iter(draw(metadata, attempt.hints))).inputs
    return limits(native(), converted, metadata, ordinary, missing="missing" not in parity.refused)


def _write(attempt: Attempt, metadata: Metadata, target: Path, within: Mapping[str, Limit] | None = None) -> None:
    target.write_bytes(aligned(attempt, metadata, within).SerializeToString())


def _written(attempt: Attempt, metadata: Metadata, target: Path) -> Loaded:
    """The attempt as it would be served."""
    _write(attempt, metadata, target)
    try:
        return load(Spec(service="conversion", processor="onnx", model_path=str(target)))
    except StartFailure as exc:
        raise CannotConvert(f"what the converter wrote can't be loaded: {exc.reason}") from exc


def _compared(job: Job, attempt: Attempt, native: Callable[[], Loaded], converted: Loaded) -> Parity:
    if attempt.evidence is not None:
        return against(attempt.evidence, converted)
    return compare(native(), converted, _batches(job, attempt, native()))


def _batches(job: Job, attempt: Attempt, native: Loaded) -> Iterator[Batch]:
    if job.sample:
        from mlserve.conversion.samples import recorded  # takes the protocols along

        yield from recorded(native, Path(job.sample))
    options = {"tabular": attempt.tabular, "huge": attempt.huge}
    yield from draw(native.metadata(), attempt.hints, known=attempt.rows, **options)


def _facts(attempt: Attempt, form: Any) -> dict[str, Any]:
    opset = max((one.version for one in attempt.model.opset_import if one.domain in ("", "ai.onnx")), default=0)
    package = getattr(form, "CONVERTER", "")
    converter = f"{package} {version(package)}" if package else f"mlserve's own, version {form.VERSION}"
    return {"opset": opset, "converter": converter}


def _notes(attempt: Attempt, parity: Parity, job: Job) -> list[str]:
    if not parity.refused:
        return list(attempt.notes)
    kinds = " and ".join(parity.refused)
    return [*attempt.notes, f"not compared, since {job.processor} refuses them: {kinds}"]
