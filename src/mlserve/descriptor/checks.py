"""What the fields of a descriptor must be together, and what deserves a warning. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mlserve.descriptor import containers as images
from mlserve.descriptor.custom import OWN_CODE, custom, leaves, own_code, pipeline
from mlserve.descriptor.environment import RESERVED
from mlserve.descriptor.fallback import falling_back
from mlserve.descriptor.grouping import grouping
from mlserve.descriptor.mounting import covered, mounting
from mlserve.descriptor.pointers import detail, pointer_of
from mlserve.descriptor.releasing import releasing
from mlserve.descriptor.repositories import ENGINES
from mlserve.descriptor.service import Descriptor
from mlserve.descriptor.shapes import Shape, told
from mlserve.errors import Detail


def together(descriptor: Descriptor, shaped: Shape, *, refused: bool) -> Iterator[Detail]:
    """Mistakes that lie between fields.

    ``refused``: some field was refused already, so what it would have brought is not missed.
    """
    yield from _what_serves(descriptor, shaped, refused)
    yield from pipeline(descriptor, shaped)
    yield from custom(descriptor, shaped)
    yield from _model(descriptor, shaped, refused)
    yield from _environment(descriptor, shaped)
    yield from images.containers(descriptor, shaped, refused=refused)
    yield from mounting(descriptor, shaped, refused=refused)
    yield from releasing(descriptor, shaped)
    yield from grouping(descriptor, shaped)
    yield from falling_back(descriptor, shaped)
    if descriptor.public and (descriptor.token or _asked(shaped)):
        yield told(
            shaped,
            "public",
            "conflict",
            "public means without a token, and the descriptor asks for one: keep one of them",
        )


def warnings_of(descriptor: Descriptor, shaped: Shape) -> Iterator[Detail]:
    """What works, but not as some would expect."""
    if descriptor.public:
        yield told(shaped, "public", "public", "anyone who reaches the gateway may call this service: it has no token")
    elif not descriptor.generate_token and not descriptor.token:
        message = 'a token is made all the same: a service without one says "public": true'
        yield told(shaped, "generate_token", "not-applicable", message)
    yield from images.warnings(descriptor, shaped)
    if descriptor.require_safe and (own := own_code(descriptor)):
        message = "require_safe looks at model files; your own code, which you name yourself, runs as it is"
        yield detail(f"/{own}", "own-code", message)
    yield from covered(descriptor, shaped)


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
    if len(given) > 1 and not descriptor.containers:
        yield told(shaped, given[1], "conflict", f"{given[0]} and {given[1]} are two ways to serve: keep one of them")
    if not given and not descriptor.containers and not refused:
        message = (
            "nothing says what serves: give processor, or processor_type and processor_path, or pipeline, or command, "
            "or containers"
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
    if descriptor.command and not images.words(descriptor.command):
        yield told(shaped, "command", "invalid", "command is empty, or a quote in it is not closed")
    if descriptor.port and not (descriptor.command or descriptor.containers or refused):
        yield told(shaped, "port", "invalid", "port is the one that command listens on, and there is no command")


def _model(descriptor: Descriptor, shaped: Shape, refused: bool) -> Iterator[Detail]:
    builtin = descriptor.processor and descriptor.processor not in (*ENGINES, *OWN_CODE)
    if builtin and not descriptor.model_path and not descriptor.containers and not refused:
        yield detail(
            "/model_path", "missing", f'processor "{descriptor.processor}" needs model_path, the model to serve'
        )
    if descriptor.model_entry and leaves(descriptor.model_entry):
        yield told(shaped, "model_entry", "invalid", "model_entry is a file or folder below model_path")
    if descriptor.model_entry and not descriptor.model_path and not refused:
        yield told(shaped, "model_entry", "invalid", "model_entry is looked for below model_path, and there is none")


def _environment(descriptor: Descriptor, shaped: Shape) -> Iterator[Detail]:
    if descriptor.env and not descriptor.command and not descriptor.containers:
        message = "env is the environment of command; a processor's is processor_envs"
        yield told(shaped, "env", "invalid", message)
    seen: set[str] = set()
    for listing, variables in (("processor_envs", descriptor.processor_envs), ("env", descriptor.env)):
        for index, variable in enumerate(variables):
            pointer = shaped.written.get((listing, str(index)), pointer_of((listing, index)))
            if variable.name in RESERVED or (variable.name == "PYTHONPATH" and not descriptor.command):
                yield detail(pointer, "invalid", f"{variable.name} is set by mlserve itself in each instance")
            elif variable.name in seen:
                yield detail(pointer, "conflict", f"{variable.name} is set twice: keep one")
            seen.add(variable.name)
