"""Make a version ready to start: fetch its files, read its model, build its environment."""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mlserve import environments, storage
from mlserve.descriptor import Descriptor, paths_of
from mlserve.descriptor.mounting import Source, sources_of
from mlserve.engines.base import Artifacts, Engine
from mlserve.errors import FetchFailed, InvalidInput, MlserveError
from mlserve.hub.aside import aside
from mlserve.hub.conversions import Converter, form_of, served, summary
from mlserve.hub.model_format import require_fit, safer
from mlserve.hub.pipelines import examine_steps
from mlserve.hub.records import Prepared, Version
from mlserve.hub.repositories import examine_repositories, is_of_repositories
from mlserve.inspection import Finding, inspect

ENVIRONMENTS_KEPT = 30 * 24 * 3600.0
"""Seconds that an environment which no version uses any more stays."""


class PreparationFailed(Exception):
    """A phase of the preparation failed; ``error`` says why."""

    def __init__(self, phase: str, error: MlserveError) -> None:
        super().__init__(error.message)
        self.phase, self.error = phase, error


@dataclass(slots=True)
class Progress:
    """The phases of one preparation, as they go."""

    phases: list[dict[str, Any]] = field(default_factory=list)

    @asynccontextmanager
    async def phase(self, name: str) -> AsyncIterator[dict[str, Any]]:
        """Keep the time of a phase; an error of ours ends it as PreparationFailed."""
        entry: dict[str, Any] = {"phase": name, "state": "running", "at": time.time(), "seconds": None, "detail": ""}
        self.phases.append(entry)
        try:
            yield entry
            entry["state"] = "done"
        except MlserveError as exc:
            entry["state"] = "failed"
            raise PreparationFailed(name, exc) from exc
        except OSError as exc:
            entry["state"] = "failed"
            raise PreparationFailed(name, _of_this_machine(exc)) from exc
        finally:
            entry["seconds"] = round(time.time() - entry["at"], 3)


@dataclass(frozen=True, slots=True)
class Preparer:
    """Prepares versions in one hub's home."""

    home: Path
    content: storage.ContentStore
    offline: bool = False

    async def prepare(self, version: Version, descriptor: Descriptor, engine: Engine, progress: Progress) -> Prepared:
        """All phases in their order; raises PreparationFailed."""
        async with progress.phase("fetch"):
            wanted = paths_of(descriptor).items()
            paths = {pointer: await self.locate(version, descriptor, pointer, value) for pointer, value in wanted}
            sources = sources_of(descriptor).items()
            mounted = {pointer: str(await self.locate_mount(version, pointer, source)) for pointer, source in sources}
        found = {pointer: str(path) for pointer, path in paths.items()}
        async with progress.phase("verify") as entry:
            finding = await aside(partial(examined, descriptor, found))
            entry["detail"] = finding.summary() if finding else ""
        read = Artifacts(found)
        if finding:
            read = Artifacts(found, dict(finding.versions), finding.format, requirements=finding.requirements)
        conversion: Mapping[str, Any] | None = None
        if form := form_of(descriptor, read):
            async with progress.phase("convert") as entry:
                conversion = await self._converter.convert(form, descriptor, engine, read)
                entry["detail"] = summary(conversion)
        artifacts = served(read, conversion)
        async with progress.phase("environment") as entry:
            requirements = engine.requirements(descriptor, artifacts)
            environment = await environments.ensure(
                requirements, home=self.home, offline=self.offline, gpu=bool(descriptor.metadata.gpu)
            )
            entry["detail"] = ", ".join(("reused" if environment.reused else "built", *environment.local))
        return Prepared(
            str(environment.python),
            tuple(requirements),
            {**found, **mounted},
            read.saved_versions,
            conversion=conversion,
            runs_code=finding.runs_code if finding else "",
        )

    @property
    def _converter(self) -> Converter:
        return Converter(self.home, self.content, self.offline)

    async def locate(self, version: Version, descriptor: Descriptor, pointer: str, value: str) -> Path:
        """Where the file or folder of a path field is on this machine; fetched where it is not yet."""
        if pointer in version.content:
            address = version.content[pointer]
            return await aside(partial(self.content.open, address["digest"], address["name"]))
        options = storage.FetchOptions(endpoint=descriptor.oss_endpoint)
        return await aside(partial(self._fetch, value, options, self._landing(version, pointer)))

    async def locate_mount(self, version: Version, pointer: str, source: Source) -> Path:
        """Where the files of a mount are on this machine; an empty folder where the program is to write the first."""
        options = storage.FetchOptions(endpoint=source.endpoint)
        try:
            return await aside(partial(self._fetch, source.uri, options, self._landing(version, pointer)))
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
        self._converter.sweep()
        used = {Path(version.prepared.python).parents[1].name for version in versions if version.prepared}
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

    def _fetch(self, uri: str, options: storage.FetchOptions, landing: Path) -> Path:
        """Bring it here and into the content store: the version stays what it was. ``file://`` is used in place."""
        landing.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.rmtree(landing, ignore_errors=True)
        found = storage.fetch(uri, landing, options=options)
        if not found.is_relative_to(landing):
            return found
        kept = self.content.add(found, ours=True)
        shutil.rmtree(landing, ignore_errors=True)
        return self.content.open(kept.digest, kept.name)


def _of_this_machine(error: OSError) -> MlserveError:
    place = f"{error.filename}: " if error.filename else ""
    hint = "free some disk, or give this user the right to read and write there"
    return MlserveError(f"{place}{error.strerror or error}", hint=hint)


def examined(descriptor: Descriptor, paths: Mapping[str, str]) -> Finding | None:
    """What the files of a version say: of its model, or of all steps of its pipeline. Raises as `examine` does."""
    if is_of_repositories(descriptor):
        return examine_repositories(descriptor, paths)
    look = safely if descriptor.require_safe else examine
    if descriptor.pipeline:
        return examine_steps(descriptor, paths, look)
    finding = look(paths, descriptor.model_entry)
    if finding is not None:
        require_fit(descriptor, finding)
    return finding


def safely(paths: Mapping[str, str], entry: str | None = None) -> Finding | None:
    """As `examine`; refuses what can run code when it is read, before anything is started."""
    finding = examine(paths, entry)
    if finding is not None and finding.runs_code:
        name = finding.file or Path(paths["/model_path"]).name
        raise InvalidInput(
            f"require_safe is set, and {name} is refused: {finding.runs_code}",
            hint=f"{safer(finding)}, or take require_safe out for a file that you trust",
            details=[{"cause": "unreadable-model"}],
        )
    return finding


def examine(paths: Mapping[str, str], entry: str | None = None) -> Finding | None:
    """What the model's file says of itself, read without running anything; raises InvalidInput where it can't serve."""
    path = paths.get("/model_path")
    if path is None:
        return None
    if not Path(path).exists():
        raise InvalidInput(
            f"there is no model at {path}", hint="check model_path", details=[{"cause": "missing-model"}]
        )
    model = Path(path) / entry if entry and (Path(path) / entry).exists() else Path(path)
    if not (model.is_file() or model.is_dir()):
        raise InvalidInput(
            f"the model {model} is neither a file nor a folder",
            hint="name a file that holds the model",
        )
    finding = inspect(model)
    if finding.problems:
        raise InvalidInput(
            f"the model {model.name} can't be used: {finding.problems[0]}",
            hint="save it again and check that it was copied whole",
            details=[{"cause": "corrupt-model"}],
        )
    return finding
