"""Make a version ready to start: fetch its files, read its model, build its environment."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from mlserve import environments, storage
from mlserve.backends.aside import aside
from mlserve.backends.base import ImageBackend
from mlserve.descriptor import Descriptor, paths_of
from mlserve.descriptor.mounting import Source, sources_of
from mlserve.engines.base import Artifacts
from mlserve.errors import FetchFailed
from mlserve.hub import deriving, imaging, made_of
from mlserve.hub.blueprints import Blueprint
from mlserve.hub.conversions import Converter, form_of, served, summary
from mlserve.hub.examining import examined
from mlserve.hub.fetching import Credentials, Fetcher, Say, no_credentials, unheard
from mlserve.hub.imaging import base_image
from mlserve.hub.packing import Contents, places_inside, recipe
from mlserve.hub.places import Place
from mlserve.hub.progress import Progress
from mlserve.hub.reachable import marks
from mlserve.hub.records import Prepared, Version
from mlserve.images.recipe import Recipe
from mlserve.inspection import Finding

ENVIRONMENTS_KEPT = 30 * 24 * 3600.0
"""Seconds that an environment which no version uses any more stays."""


@dataclass(frozen=True, slots=True)
class Read:
    """A version's files, found and looked at."""

    paths: Mapping[str, str]
    """Those of mounts, too."""
    finding: Finding | None
    conversion: Mapping[str, Any] | None
    artifacts: Artifacts
    """What is to be served: the converted model, where there is one."""
    saved_versions: Mapping[str, str]
    marks: Mapping[str, str]
    """What was at the addresses of its files."""


@dataclass(frozen=True, slots=True)
class Preparer:
    """Prepares versions in one hub's home."""

    home: Path
    content: storage.ContentStore
    offline: bool = False
    base_image: str = ""
    cache: storage.Cache | None = None
    credentials: Credentials = no_credentials
    triton_image: str = ""

    async def prepare(self, version: Version, blueprint: Blueprint, place: Place, progress: Progress) -> Prepared:
        """All phases in their order; raises PreparationFailed."""
        read = await self.read(version, blueprint, progress, contained=place.contained)
        requirements = tuple(blueprint.engine.requirements(blueprint.descriptor, read.artifacts))
        prepared = Prepared(
            "",
            requirements,
            read.paths,
            read.saved_versions,
            conversion=read.conversion,
            runs_code=read.finding.runs_code if read.finding else "",
            marks=read.marks,
            files=await aside(partial(made_of.files, self.content, read.paths)),
        )
        place.require_there()
        if isinstance(place.backend, ImageBackend):
            async with progress.phase("image") as entry:
                return await self._imaged(prepared, self.contents(version, blueprint, read), place, entry)
        async with progress.phase("environment") as entry:
            environment = await environments.ensure(
                requirements, home=self.home, offline=self.offline, gpu=bool(blueprint.descriptor.metadata.gpu)
            )
            entry["detail"] = ", ".join(("reused" if environment.reused else "built", *environment.local))
        made = made_of.of_packages(environment.requirements_resolved, environments.INTERPRETER)
        return replace(prepared, python=str(environment.python), environment=made)

    async def read(self, version: Version, blueprint: Blueprint, progress: Progress, *, contained: bool = True) -> Read:
        """Fetch, verify, convert; raises PreparationFailed. ``contained``: it is to run in an image."""
        descriptor = blueprint.descriptor
        async with progress.phase("fetch") as entry:
            say = partial(entry.__setitem__, "detail")
            # Before the files: what changes while they come is then seen as another change.
            options = storage.FetchOptions(credentials=self.credentials(version), uploads=self.content)
            seen = await marks(descriptor, version.content, options)
            wanted = paths_of(descriptor).items()
            paths = {pointer: await self.locate(version, descriptor, pointer, value, say) for pointer, value in wanted}
            sources = sources_of(descriptor).items()
            mounted = {key: str(await self.locate_mount(version, key, source, say)) for key, source in sources}
        found = {pointer: str(path) for pointer, path in paths.items()}
        async with progress.phase("verify") as entry:
            finding = await aside(partial(examined, descriptor, found, contained=contained))
            entry["detail"] = finding.summary() if finding else ""
        artifacts = Artifacts(found)
        if finding:
            artifacts = Artifacts(found, dict(finding.versions), finding.format, requirements=finding.requirements)
        conversion: Mapping[str, Any] | None = None
        if form := form_of(descriptor, artifacts):
            async with progress.phase("convert") as entry:
                conversion = await self._converter.convert(form, descriptor, blueprint.engine, artifacts)
                entry["detail"] = summary(conversion)
        known = artifacts.saved_versions
        return Read({**found, **mounted}, finding, conversion, served(artifacts, conversion), known, seen)

    def contents(self, version: Version, blueprint: Blueprint, read: Read) -> Contents:
        """What a version's instances are made of."""
        artifacts = replace(read.artifacts, paths={**read.paths, **read.artifacts.paths})
        return Contents(version.service, version.number, blueprint.descriptor, blueprint.engine, artifacts)

    def recipe(self, contents: Contents, place: Place, tag: str = "") -> Recipe:
        """Its image at a place; ``tag``: its name, unless it is the usual one."""
        return recipe(contents, base_image(place.options, self.base_image), offline=self.offline, tag=tag)

    async def _imaged(self, prepared: Prepared, contents: Contents, place: Place, entry: dict[str, Any]) -> Prepared:
        backend = cast(ImageBackend, place.backend)

        def say(line: str) -> None:
            entry["detail"] = line

        options = {"triton_image": self.triton_image, **place.options}
        if brought := contents.engine.image(contents.descriptor, options):
            image = await imaging.pulled(backend, contents, brought, say)
            image = await deriving.with_models_packages(backend, contents, image, offline=self.offline, say=say)
            made = await deriving.derived(backend, contents, offline=self.offline, say=say)
            image = made.get(deriving.main(contents), image)
            entry["detail"] = image
            return replace(prepared, image=image, images=made, environment=await backend.identify(image))
        await imaging.pull_beside(backend, contents, say)
        wanted = await aside(partial(self.recipe, contents, place))
        packed = await backend.build(wanted, say)
        entry["detail"] = "reused" if packed.reused else "built"
        # By its id: anybody may give its name to another image.
        inside = places_inside(contents.artifacts.paths)
        return replace(prepared, image=packed.id, inside=inside, environment=packed.id)

    @property
    def _fetcher(self) -> Fetcher:
        return Fetcher(self.content, self.cache)

    @property
    def _converter(self) -> Converter:
        return Converter(self.home, self.content, self.offline)

    async def locate(
        self, version: Version, descriptor: Descriptor, pointer: str, value: str, say: Say = unheard
    ) -> Path:
        """Where the file or folder of a path field is on this machine; fetched where it is not yet."""
        if pointer in version.content:
            address = version.content[pointer]
            return await aside(partial(self.content.open, address["digest"], address["name"]))
        options = storage.FetchOptions(endpoint=descriptor.oss_endpoint, credentials=self.credentials(version))
        return await aside(partial(self._fetcher.fetch, value, options, self._landing(version, pointer), say))

    async def locate_mount(self, version: Version, pointer: str, source: Source, say: Say) -> Path:
        """Where the files of a mount are on this machine; an empty folder where the program is to write the first."""
        options = storage.FetchOptions(endpoint=source.endpoint, credentials=self.credentials(version))
        try:
            return await aside(partial(self._fetcher.fetch, source.uri, options, self._landing(version, pointer), say))
        except FetchFailed as exc:
            if not source.may_be_empty or exc.details[0]["code"] != "missing":
                raise
        empty = self.home / "nothing"
        empty.mkdir(mode=0o700, exist_ok=True)
        return empty

    def forget(self, service: str) -> None:
        """A service is gone: what broken downloads left of it goes too."""
        shutil.rmtree(self._landings(service), ignore_errors=True)

    def sweep(self, versions: Sequence[Version]) -> None:
        """Drop what none of these versions needs: content that came more than an hour ago, environments idle for long.

        Environments take a while to build and are shared by services to come, so they stay much longer.
        """
        self.content.prune({digest for version in versions for digest in self._needed(version)})
        self._fetcher.trim()
        self._converter.sweep()
        pythons = [version.prepared.python for version in versions if version.prepared]
        used = {Path(python).parents[1].name for python in pythons if python}
        environments.prune(self.home, in_use=used, unused_seconds=ENVIRONMENTS_KEPT)

    def _needed(self, version: Version) -> Iterator[str]:
        yield from (address["digest"] for address in version.content.values())
        paths = [*version.prepared.paths.values()] if version.prepared else []
        if version.prepared and version.prepared.conversion and "path" in version.prepared.conversion:
            paths.append(version.prepared.conversion["path"])
        yield from (digest for path in paths if (digest := self.content.holder(Path(path))))

    def _landings(self, service: str) -> Path:
        return self.home / "fetched" / service

    def _landing(self, version: Version, pointer: str) -> Path:
        # A thread of a version that was deleted meanwhile may still write: a later one of that name lands elsewhere.
        name = f"{version.number}-{version.created_at:.6f}{pointer.replace('/', '-')}"
        return self._landings(version.service) / name
