"""What your own code in a descriptor must say: a Python or C++ processor, the steps of a pipeline. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlserve.descriptor.pipeline import mistakes_of
from mlserve.descriptor.pointers import detail, pointer_of
from mlserve.descriptor.repositories import ENGINES
from mlserve.descriptor.service import Descriptor
from mlserve.descriptor.shapes import Shape, told
from mlserve.errors import Detail
from mlserve.flow import ENSEMBLE

_ENTRY = re.compile(r"[^:\0]+\.py(:[A-Za-z_]\w*)?")
OWN_CODE = ("python", "cpp")


def pipeline(descriptor: Descriptor, shaped: Shape) -> Iterator[Detail]:
    if not descriptor.pipeline:
        return
    for mistake in mistakes_of(descriptor.pipeline):
        place = ("pipeline", *map(str, mistake.place))
        yield detail(shaped.written.get(place) or pointer_of(place), "invalid", mistake.message)
    for name in ("model_path", "model_entry", "processor_path", "processor_entry"):
        if getattr(descriptor, name):
            yield told(shaped, name, "conflict", f"{name} beside pipeline: write it in the step that it belongs to")
    if descriptor.convert == "always":
        yield told(shaped, "convert", "unsupported", "the steps of a pipeline are served as they are", backends=[])


def custom(descriptor: Descriptor, shaped: Shape) -> Iterator[Detail]:
    own = descriptor.processor if descriptor.processor in OWN_CODE else None
    kind = descriptor.processor_type or own
    java = "no backend has Java processors yet; python and cpp are served"
    if kind == "java":
        yield told(shaped, "processor_type", "unsupported", f"processor_type java: {java}", backends=[])
        return
    if descriptor.processor_mainclass:
        yield told(shaped, "processor_mainclass", "unsupported", f"processor_mainclass: {java}", backends=[])
    if descriptor.processor == ENSEMBLE:
        message = "an ensemble combines what other steps gave: it is a step of a pipeline"
        yield told(shaped, "processor", "invalid", message)
    if kind == "python":
        yield from _python(descriptor, shaped)
    elif kind == "cpp":
        yield from _cpp(descriptor, shaped)
    elif descriptor.processor_entry and not descriptor.pipeline:
        message = "processor_entry names the file of your own processor: it needs processor_type python or cpp"
        yield told(shaped, "processor_entry", "invalid", message)
    if descriptor.processor_params and descriptor.processor not in ENGINES:
        message = f"processor_params are the arguments of an engine ({', '.join(ENGINES)}); this service has none"
        yield told(shaped, "processor_params", "unsupported", message, backends=[])


def _cpp(descriptor: Descriptor, shaped: Shape) -> Iterator[Detail]:
    if not descriptor.processor_path:
        message = "processor_type cpp needs processor_path, the folder or archive with your library"
        yield detail("/processor_path", "missing", message)
    if not descriptor.processor_entry:
        if not (descriptor.processor_path or "").endswith(".so"):
            message = 'processor_type cpp needs processor_entry, such as "libmy_processor.so"'
            yield detail("/processor_entry", "missing", message)
    elif leaves(descriptor.processor_entry) or ".so" not in descriptor.processor_entry:
        message = 'processor_entry is a shared library below processor_path: "libmy_processor.so"'
        yield told(shaped, "processor_entry", "invalid", message)


def _python(descriptor: Descriptor, shaped: Shape) -> Iterator[Detail]:
    if not descriptor.processor_path:
        yield detail(
            "/processor_path", "missing", "processor_type python needs processor_path, the folder of your code"
        )
    if not descriptor.processor_entry:
        if not (descriptor.processor_path or "").endswith(".py"):
            yield detail(
                "/processor_entry", "missing", 'processor_type python needs processor_entry, such as "app.py:Iris"'
            )
    elif not _ENTRY.fullmatch(descriptor.processor_entry) or leaves(descriptor.processor_entry):
        message = 'processor_entry is a file below processor_path, and a class of it: "app.py:Iris" or "app.py"'
        yield told(shaped, "processor_entry", "invalid", message)


def own_code(descriptor: Descriptor) -> str:
    """Where the descriptor's first own code is: its place, ``""`` where there is none."""
    if descriptor.processor_path and descriptor.processor_type in OWN_CODE:
        return "processor_path"
    return next(
        (f"pipeline/{i}/processor_path" for i, step in enumerate(descriptor.pipeline) if step.processor_path), ""
    )


def leaves(path: str) -> bool:
    return path.startswith("/") or ".." in path.split("/")
