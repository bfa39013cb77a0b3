"""What the fields of a descriptor must be together, and what deserves a warning. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from mlserve.descriptor.environment import RESERVED
from mlserve.descriptor.pipeline import mistakes_of
from mlserve.descriptor.pointers import detail, pointer_of
from mlserve.descriptor.service import Descriptor
from mlserve.descriptor.shapes import Shape
from mlserve.errors import Detail
from mlserve.flow import ENSEMBLE

_ENTRY = re.compile(r"[^:\0]+\.py(:[A-Za-z_]\w*)?")
ENGINES = ("triton",)
"""Processors that are server programs of their own: they take processor_params and find their models through them."""
OWN_CODE = ("python", "cpp")


def together(descriptor: Descriptor, shaped: Shape, *, refused: bool) -> Iterator[Detail]:
    """Mistakes that lie between fields.

    ``refused``: some field was refused already, so what it would have brought is not missed.
    """
    yield from _what_serves(descriptor, shaped, refused)
    yield from _pipeline(descriptor, shaped)
    yield from _custom(descriptor, shaped)
    yield from _model(descriptor, shaped, refused)
    yield from _environment(descriptor, shaped)
    if descriptor.public and (descriptor.token or _asked(shaped)):
        yield _at(
            shaped,
            "public",
            "conflict",
            "public means without a token, and the descriptor asks for one: keep one of them",
        )


def warnings_of(descriptor: Descriptor, shaped: Shape) -> Iterator[Detail]:
    """What works, but not as some would expect."""
    if descriptor.public:
        yield _at(shaped, "public", "public", "anyone who reaches the gateway may call this service: it has no token")
    elif not descriptor.generate_token and not descriptor.token:
        message = 'a token is made all the same: a service without one says "public": true'
        yield _at(shaped, "generate_token", "not-applicable", message)
    if descriptor.require_safe and (own := _own_code(descriptor)):
        message = "require_safe looks at model files; your own code, which you name yourself, runs as it is"
        yield detail(f"/{own}", "own-code", message)


def _own_code(descriptor: Descriptor) -> str:
    """Where the descriptor's first own code is: its place, ``""`` where there is none."""
    if descriptor.processor_path and descriptor.processor_type in OWN_CODE:
        return "processor_path"
    return next(
        (f"pipeline/{i}/processor_path" for i, step in enumerate(descriptor.pipeline) if step.processor_path), ""
    )


def _asked(shaped: Shape) -> bool:
    return shaped.values.get("generate_token") in (True, "true")


def _what_serves(descriptor: Descriptor, shaped: Shape, refused: bool) -> Iterator[Detail]:
    ways = {
        "processor": descriptor.processor,
        "processor_type": descriptor.processor_type if descriptor.processor != descriptor.processor_type else None,
        "pipeline": descriptor.pipeline,
        "command": descriptor.command,
    }
    given = [name for name, value in ways.items() if value]
    if len(given) > 1:
        yield _at(shaped, given[1], "conflict", f"{given[0]} and {given[1]} are two ways to serve: keep one of them")
    if not given and not descriptor.containers and not refused:
        message = (
            "nothing says what serves: give processor, or processor_type and processor_path, or pipeline, or command"
        )
        yield detail("", "missing", message)
    if (
        descriptor.command
        and not descriptor.port
        and "PORT" not in descriptor.command
        and "{port}" not in descriptor.command
    ):
        message = "command needs port, where the program listens (or $PORT in the command: one is chosen for it)"
        yield detail("/port", "missing", message)
    if descriptor.command and not _words(descriptor.command):
        yield _at(shaped, "command", "invalid", "command is empty, or a quote in it is not closed")
    if descriptor.port and not descriptor.command and not refused:
        yield _at(shaped, "port", "invalid", "port is the one that command listens on, and there is no command")


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []


def _pipeline(descriptor: Descriptor, shaped: Shape) -> Iterator[Detail]:
    if not descriptor.pipeline:
        return
    for mistake in mistakes_of(descriptor.pipeline):
        place = ("pipeline", *map(str, mistake.place))
        yield detail(shaped.written.get(place) or pointer_of(place), "invalid", mistake.message)
    for name in ("model_path", "model_entry", "processor_path", "processor_entry"):
        if getattr(descriptor, name):
            yield _at(shaped, name, "conflict", f"{name} beside pipeline: write it in the step that it belongs to")
    if descriptor.convert == "always":
        yield _at(shaped, "convert", "unsupported", "the steps of a pipeline are served as they are", backends=[])


def _custom(descriptor: Descriptor, shaped: Shape) -> Iterator[Detail]:
    own = descriptor.processor if descriptor.processor in OWN_CODE else None
    kind = descriptor.processor_type or own
    java = "no backend has Java processors yet; python and cpp are served"
    if kind == "java":
        yield _at(shaped, "processor_type", "unsupported", f"processor_type java: {java}", backends=[])
        return
    if descriptor.processor_mainclass:
        yield _at(shaped, "processor_mainclass", "unsupported", f"processor_mainclass: {java}", backends=[])
    if descriptor.processor == ENSEMBLE:
        message = "an ensemble combines what other steps gave: it is a step of a pipeline"
        yield _at(shaped, "processor", "invalid", message)
    if kind == "python":
        yield from _python(descriptor, shaped)
    elif kind == "cpp":
        yield from _cpp(descriptor, shaped)
    elif descriptor.processor_entry and not descriptor.pipeline:
        message = "processor_entry names the file of your own processor: it needs processor_type python or cpp"
        yield _at(shaped, "processor_entry", "invalid", message)
    if descriptor.processor_params and descriptor.processor not in ENGINES:
        message = f"processor_params are the arguments of an engine ({', '.join(ENGINES)}); this service has none"
        yield _at(shaped, "processor_params", "unsupported", message, backends=[])


def _cpp(descriptor: Descriptor, shaped: Shape) -> Iterator[Detail]:
    if not descriptor.processor_path:
        message = "processor_type cpp needs processor_path, the folder or archive with your library"
        yield detail("/processor_path", "missing", message)
    if not descriptor.processor_entry:
        if not (descriptor.processor_path or "").endswith(".so"):
            message = 'processor_type cpp needs processor_entry, such as "libmy_processor.so"'
            yield detail("/processor_entry", "missing", message)
    elif _leaves(descriptor.processor_entry) or ".so" not in descriptor.processor_entry:
        message = 'processor_entry is a shared library below processor_path: "libmy_processor.so"'
        yield _at(shaped, "processor_entry", "invalid", message)


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
    elif not _ENTRY.fullmatch(descriptor.processor_entry) or _leaves(descriptor.processor_entry):
        message = 'processor_entry is a file below processor_path, and a class of it: "app.py:Iris" or "app.py"'
        yield _at(shaped, "processor_entry", "invalid", message)


def _model(descriptor: Descriptor, shaped: Shape, refused: bool) -> Iterator[Detail]:
    builtin = descriptor.processor and descriptor.processor not in (*ENGINES, *OWN_CODE)
    if builtin and not descriptor.model_path and not descriptor.containers and not refused:
        yield detail(
            "/model_path", "missing", f'processor "{descriptor.processor}" needs model_path, the model to serve'
        )
    if descriptor.model_entry and _leaves(descriptor.model_entry):
        yield _at(shaped, "model_entry", "invalid", "model_entry is a file or folder below model_path")
    if descriptor.model_entry and not descriptor.model_path and not refused:
        yield _at(shaped, "model_entry", "invalid", "model_entry is looked for below model_path, and there is none")


def _leaves(path: str) -> bool:
    return path.startswith("/") or ".." in path.split("/")


def _environment(descriptor: Descriptor, shaped: Shape) -> Iterator[Detail]:
    if descriptor.env and not descriptor.command:
        message = "env is the environment of command; a processor's is processor_envs"
        yield _at(shaped, "env", "invalid", message)
    seen: set[str] = set()
    for listing, variables in (("processor_envs", descriptor.processor_envs), ("env", descriptor.env)):
        for index, variable in enumerate(variables):
            pointer = shaped.written.get((listing, str(index)), pointer_of((listing, index)))
            if variable.name in RESERVED or (variable.name == "PYTHONPATH" and not descriptor.command):
                yield detail(pointer, "invalid", f"{variable.name} is set by mlserve itself in each instance")
            elif variable.name in seen:
                yield detail(pointer, "conflict", f"{variable.name} is set twice: keep one")
            seen.add(variable.name)


def _at(shaped: Shape, name: str, code: str, message: str, **more: object) -> Detail:
    return detail(shaped.written.get((name,), pointer_of((name,))), code, message, **more)
