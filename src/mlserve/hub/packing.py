"""What goes into an image of ours for a version, and where in it. Pure but for where packages and wheels lie here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from mlserve import environments
from mlserve.descriptor import Descriptor
from mlserve.descriptor.secrets import is_secret_variable, masked_text
from mlserve.engines.base import Artifacts, Engine, Launch
from mlserve.errors import InvalidDescriptor
from mlserve.images.recipe import PYTHON, ROOT, RUNTIME, SERVICE, VERSION, Layer, Recipe
from mlserve.workload import Workload

_CAPTURES = "/tmp/captures"  # noqa: S108 - inside a container, where nothing else can be written to


def places_inside(paths: Mapping[str, str]) -> dict[str, str]:
    """Descriptor pointer → path in the image, for all files that are packed; mounts come from outside."""
    return {pointer: _place(pointer, path) for pointer, path in paths.items() if not pointer.startswith("/storage/")}


def launch_inside(service: str, number: int) -> Launch:
    """How a program starts in a container, whose address is its own."""
    return Launch(service, number, PYTHON, RUNTIME, _CAPTURES, host="0.0.0.0")  # noqa: S104 - a container's own


@dataclass(frozen=True, slots=True)
class Contents:
    """A version whose files are on this machine."""

    service: str
    number: int
    descriptor: Descriptor
    engine: Engine
    artifacts: Artifacts

    def workload(self) -> Workload:
        """How it starts in an image of ours, or in the one that its engine brings."""
        artifacts = self.artifacts
        if self.engine.packed:
            artifacts = replace(artifacts, inside=artifacts.inside or places_inside(artifacts.paths))
        return self.engine.workload(self.descriptor, artifacts, launch_inside(self.service, self.number))


def recipe(contents: Contents, base: str, *, offline: bool, tag: str = "") -> Recipe:
    """The image of a version, named after it unless ``tag`` is given.

    Raises InvalidDescriptor for requirements with a password, EnvironmentFailed where wheels are missing.
    """
    paths, inside = contents.artifacts.paths, places_inside(contents.artifacts.paths)
    workload = contents.workload()
    requirements = contents.engine.requirements(contents.descriptor, contents.artifacts)
    refuse_secrets(requirements)
    found = environments.sources(requirements, offline=offline)
    return Recipe(
        tag=tag or f"mlserve/{contents.service}:{contents.number}",
        base=base,
        requirements=tuple(sorted(dict.fromkeys(requirements))),
        index=found.index,
        wheels=tuple(str(wheel) for wheel in found.wheels),
        offline=found.offline,
        runtime=_runtime(workload),
        code=Layer({place: paths[pointer] for pointer, place in inside.items() if _is_code(pointer)}),
        model=Layer({place: paths[pointer] for pointer, place in inside.items() if not _is_code(pointer)}),
        command=workload.command,
        environment=_shown(workload.environment),
        workdir=workload.workdir or ROOT,
        port=workload.port or 8080,
        labels={SERVICE: contents.service, VERSION: str(contents.number)},
    )


def left_out(workload: Workload) -> list[str]:
    """Names of variables that an image does not hold: who runs it by hand has to give them."""
    secret = json.loads(workload.secrets.get("environment.json", "{}"))
    return sorted({*secret, *(name for name, value in workload.environment.items() if not _may_be_baked(name, value))})


def _place(pointer: str, path: str) -> str:
    """Named after what the user calls it, as in ``/mlserve/code/processor_path/app``."""
    kind = "code" if _is_code(pointer) else "model"
    return str(PurePosixPath(ROOT, kind, pointer.strip("/").replace("/", "-"), PurePosixPath(path).name))


def _is_code(pointer: str) -> bool:
    return pointer.endswith("/processor_path")


def _runtime(workload: Workload) -> Layer:
    """Our own program, where the workload starts it."""
    if workload.environment.get("PYTHONPATH") != RUNTIME:
        return Layer()
    return Layer({f"{RUNTIME}/{name}": str(path) for name, path in environments.runtime_files().items()})


def _shown(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if _may_be_baked(name, value)}


def _may_be_baked(name: str, value: str) -> bool:
    """No secret, and nothing that the line of a Dockerfile can't hold."""
    return not is_secret_variable(name, value) and value.isprintable()


def refuse_secrets(requirements: Sequence[str]) -> None:
    """An image can be read by everybody who gets it: raises InvalidDescriptor for addresses with a password."""
    for requirement in requirements:
        if masked_text(requirement) != requirement:
            raise InvalidDescriptor(
                f"the requirement {masked_text(requirement)} holds a password, which its image would keep",
                hint="put that package's wheel into a folder that MLSERVE_WHEELS names, and require it by name",
            )
