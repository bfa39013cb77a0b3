"""Images of a descriptor's containers with the packages that it wants over them: built once, then only started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from mlserve import environments
from mlserve.backends.aside import aside
from mlserve.backends.base import ImageBackend, Say
from mlserve.descriptor.containers import main_of
from mlserve.engines.mounts import mounts
from mlserve.engines.triton.engine import model_requirements
from mlserve.errors import FetchFailed
from mlserve.hub.packing import Contents, refuse_secrets
from mlserve.hub.repositories import is_of_repositories
from mlserve.images.recipe import SERVICE, VERSION, Recipe
from mlserve.workload import Mount, MountKind


@dataclass(frozen=True, slots=True)
class _Wish:
    """The packages of one container: named one by one, or by a file in its image."""

    index: int
    image: str
    requirements: tuple[str, ...] = ()
    file: str = ""


def main(contents: Contents) -> str:
    """The pointer of the container that answers requests."""
    return f"/containers/{main_of(contents.descriptor)}"


async def derived(backend: ImageBackend, contents: Contents, *, offline: bool, say: Say) -> Mapping[str, str]:
    """Pointer of a container → the image made of its own, where it wants packages; raises as ``build`` does.

    The containers' own images are there already.
    """
    wanted = await aside(partial(recipes, contents, offline=offline))
    return {pointer: (await backend.build(recipe, say)).id for pointer, recipe in wanted.items()}


async def with_models_packages(
    backend: ImageBackend, contents: Contents, image: str, *, offline: bool, say: Say
) -> str:
    """The image of a Triton server with what its models in Python ask for over it; the same where they ask nothing."""
    if not is_of_repositories(contents.descriptor):
        return image
    lines = await aside(partial(model_requirements, contents.descriptor, contents.artifacts))
    if not lines:
        return image
    recipe = await aside(partial(_over, contents, _Wish(0, image, lines), "", offline=offline))
    return (await backend.build(recipe, say)).id


def recipes(contents: Contents, *, offline: bool) -> Mapping[str, Recipe]:
    """The image of each container that wants packages; raises FetchFailed, InvalidDescriptor, EnvironmentFailed."""
    return {f"/containers/{wish.index}": _recipe(contents, wish, offline=offline) for wish in _wished(contents)}


def _wished(contents: Contents) -> Iterator[_Wish]:
    for index, container in enumerate(contents.descriptor.containers):
        prepare = container.prepare
        if prepare.python_requirements:
            yield _Wish(index, container.image, prepare.python_requirements)
        elif prepare.python_requirements_path:
            listed = _mounted(contents, index, prepare.python_requirements_path)
            if listed is None:
                yield _Wish(index, container.image, file=prepare.python_requirements_path)
            elif listed:
                yield _Wish(index, container.image, listed)


def _mounted(contents: Contents, index: int, path: str) -> tuple[str, ...] | None:
    """The lines of a file in a mount, which is here; None for one that is not in a mount."""
    every = (*contents.workload().mounts, *mounts(contents.descriptor, contents.artifacts.paths))
    mount = next((one for one in reversed(every) if PurePosixPath(path).is_relative_to(one.path)), None)
    if mount is None:
        return None
    file = _file(mount, path)
    if file is None or not file.is_file():
        raise FetchFailed(
            f"containers.{index}.prepare.pythonRequirementsPath: there is no {path} in what is mounted at {mount.path}",
            hint="correct the path, or list the packages as prepare.pythonRequirements",
        )
    lines = (line.split(" #")[0].strip() for line in file.read_text(errors="replace").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def _file(mount: Mount, path: str) -> Path | None:
    if mount.kind is not MountKind.FILES:
        return None
    source = Path(mount.source)
    below = PurePosixPath(path).relative_to(mount.path)
    return source / below if source.is_dir() else source if source.name == str(below) else None


def _recipe(contents: Contents, wish: _Wish, *, offline: bool) -> Recipe:
    part = "" if wish.index == main_of(contents.descriptor) else f"-{wish.index}"
    return _over(contents, wish, part, offline=offline)


def _over(contents: Contents, wish: _Wish, part: str, *, offline: bool) -> Recipe:
    refuse_secrets(wish.requirements)
    found = environments.sources(wish.requirements, offline=offline)
    return Recipe(
        tag=f"mlserve/{contents.service}:{contents.number}{part}",
        base=wish.image,
        requirements=wish.requirements,
        index=found.index,
        wheels=tuple(str(wheel) for wheel in found.wheels),
        offline=found.offline,
        labels={SERVICE: contents.service, VERSION: str(contents.number)},
        onto=True,
        requirements_file=wish.file,
    )
