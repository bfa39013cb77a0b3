"""Convert a version's model to ONNX before it starts, in a process apart; what came out is kept for the next time."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mlserve import environments, storage
from mlserve.backends.aside import aside
from mlserve.descriptor import Descriptor
from mlserve.engines import own_code
from mlserve.engines.base import Artifacts, Engine
from mlserve.engines.catalogue import find
from mlserve.errors import EnvironmentFailed, FetchFailed, MlserveError, NotFound
from mlserve.hub import confined
from mlserve.hub.convertible import Convertible, convertible, fingerprint, size

log = logging.getLogger("mlserve.hub")

_SECONDS = 600
_SCRATCH = ".making-"
_MEMORY = 4 << 30
_MEMORY_PER_BYTE = 8
"""What a conversion may use: this much, and so many times the size of the model."""


@dataclass(frozen=True, slots=True)
class Converter:
    """Converts models in one hub's home."""

    home: Path
    content: storage.ContentStore
    offline: bool = False

    async def convert(
        self, form: Convertible, descriptor: Descriptor, engine: Engine, artifacts: Artifacts
    ) -> dict[str, Any]:
        """The record of a conversion; ``path`` leads to the ONNX file.

        A model that stays as it is has a ``reason``. Raises MlserveError only where the descriptor insists.
        """
        if refusal := _refused(descriptor):
            return {"from": form.name, "to": None, "reason": refusal, "expected": True}
        key = await aside(partial(fingerprint, form, descriptor, artifacts.paths))
        record = await aside(partial(self._kept, key)) or await self._made(key, form, descriptor, engine, artifacts)
        if descriptor.convert == "always" and record["to"] is None:
            raise MlserveError(
                f'"convert" is "always", and the model can\'t be served as ONNX: {record["reason"]}',
                hint='set "convert" to "auto": the model is then served by its own library',
                details=[{"cause": "not-converted"}],
            )
        return record

    def sweep(self) -> None:
        """Forget the conversions whose ONNX file is gone, and what a hub that was killed has left half-made."""
        for scratch in self._folder.glob(f"{_SCRATCH}*"):
            if time.time() - scratch.stat().st_mtime > 2 * _SECONDS:
                shutil.rmtree(scratch, ignore_errors=True)
        for note in self._folder.glob("*.json"):
            if self._kept(note.stem) is None:
                note.unlink(missing_ok=True)

    @property
    def _folder(self) -> Path:
        return self.home / "conversions"

    def _kept(self, key: str) -> dict[str, Any] | None:
        """What was found out about the same model before, if its file is still there."""
        try:
            record: dict[str, Any] = json.loads((self._folder / f"{key}.json").read_text())
            if record["to"] is not None:
                record["path"] = str(self.content.open(record["digest"], record["name"]))
        except (FileNotFoundError, ValueError, KeyError, NotFound, FetchFailed):
            return None
        return record | {"reused": True}

    async def _made(
        self, key: str, form: Convertible, descriptor: Descriptor, engine: Engine, artifacts: Artifacts
    ) -> dict[str, Any]:
        """Find out; what another day could change (no network, no memory) is not kept."""
        wanted = await aside(partial(_requirements, form, descriptor, engine, artifacts))
        try:
            environment = await environments.ensure(wanted, home=self.home, offline=self.offline)
        except EnvironmentFailed as exc:
            reason = f"what converts it can't be installed here: {exc.message}"
            return {"from": form.name, "to": None, "reason": reason}
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=self._folder) as name:
            scratch = Path(name)
            work = self._work(scratch, descriptor, artifacts, environment.python, form)
            if trouble := await confined.run(work):
                log.warning("event=conversion-failed processor=%s reason=%r", form.name, trouble)
                return {"from": form.name, "to": None, "reason": f"the conversion failed: {trouble}"}
            return await aside(partial(self._keep, key, scratch, Path(artifacts.paths["/model_path"]).stem))

    def _work(
        self, scratch: Path, descriptor: Descriptor, artifacts: Artifacts, python: Path, form: Convertible
    ) -> confined.Work:
        job = {
            "processor": form.name,
            "model_path": artifacts.paths["/model_path"],
            "model_entry": descriptor.model_entry,
            "target": str(scratch / "model.onnx"),
            "config": descriptor.config,
            "require_safe": descriptor.require_safe,
            "sample": artifacts.paths.get("/warm_up_data_path"),
            "seconds": _SECONDS,
        }
        (scratch / "job.json").write_text(json.dumps(job))
        return confined.Work(
            python=python,
            module="mlserve.conversion",
            arguments=(str(scratch / "job.json"), str(scratch / "result.json")),
            scratch=scratch,
            import_path=environments.runtime_path(self.home),
            folder=Path(own_code.folder(artifacts) or scratch),
            seconds=_SECONDS,
            memory=_MEMORY + _MEMORY_PER_BYTE * size(Path(artifacts.paths["/model_path"])),
        )

    def _keep(self, key: str, scratch: Path, stem: str) -> dict[str, Any]:
        record: dict[str, Any] = json.loads((scratch / "result.json").read_text())
        if record["to"] is not None:
            named = (scratch / "model.onnx").rename(scratch / f"{stem}.onnx")
            kept = self.content.add(named, ours=True)
            record |= {"digest": kept.digest, "name": kept.name}
        beside = scratch / "note.json"
        beside.write_text(json.dumps(record))
        beside.rename(self._folder / f"{key}.json")
        if record["to"] is not None:
            record["path"] = str(self.content.open(record["digest"], record["name"]))
        return record


def form_of(descriptor: Descriptor, artifacts: Artifacts) -> Convertible | None:
    """How the model of a descriptor can be converted; None: it is served as it is, whatever is wished."""
    entry = find(descriptor.processor or "")
    return convertible().get(entry.name) if entry and "/model_path" in artifacts.paths else None


def _refused(descriptor: Descriptor) -> str:
    """Why nobody tries."""
    if descriptor.convert == "never":
        return '"convert" is "never"'
    if (descriptor.metadata.gpu or descriptor.metadata.gpu_memory) and descriptor.convert == "auto":
        return "a GPU was asked for, and its own library uses it"
    return ""


def _requirements(form: Convertible, descriptor: Descriptor, engine: Engine, artifacts: Artifacts) -> Sequence[str]:
    """The converter's packages, and those of the native library where its answers are needed to compare with."""
    if form.brings_evidence(Path(artifacts.paths["/model_path"])):
        artifacts = replace(artifacts, processor="onnx", saved_versions={})
    return (*engine.requirements(descriptor, artifacts), *form.requirements)


def served(artifacts: Artifacts, record: Mapping[str, Any] | None) -> Artifacts:
    """What is started: the converted model where there is one, else the user's own."""
    if record is None or record["to"] is None:
        return replace(artifacts, conversion=shown(record))
    paths = {**artifacts.paths, "/model_path": record["path"]}
    return replace(artifacts, paths=paths, saved_versions={}, format="onnx", processor="onnx", conversion=shown(record))


def shown(record: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A record without what only the hub needs to know."""
    return {key: value for key, value in record.items() if key not in ("path", "digest", "name")} if record else None


def summary(record: Mapping[str, Any]) -> str:
    """The detail of the phase."""
    if record["to"] is None:
        return f"no: {record['reason']}"
    again = ", as before" if record.get("reused") else ""
    return f"{record['from']} to ONNX, {record['parity']['rows']} rows agree{again}"
