"""What the files of a version say of themselves, read without running anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlserve.descriptor import Descriptor
from mlserve.errors import InvalidInput
from mlserve.hub.model_format import require_fit, safer
from mlserve.hub.pipelines import examine_steps
from mlserve.hub.repositories import LOCAL_BACKENDS, examine_repositories, is_of_repositories
from mlserve.inspection import Finding, inspect


def examined(descriptor: Descriptor, paths: Mapping[str, str], *, contained: bool = False) -> Finding | None:
    """What the files of a version say: of its model, or of all steps of its pipeline. Raises as `examine` does.

    ``contained``: it is to run in an image, of which nobody knows what it holds.
    """
    if is_of_repositories(descriptor):
        return examine_repositories(descriptor, paths, None if contained else LOCAL_BACKENDS)
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
