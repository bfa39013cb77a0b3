"""Give ensembles the empty version folder that Triton asks for, and that neither git, S3 nor a copy of files keeps."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

_OPTION = "--model-repository="
_ENSEMBLE = re.compile(r'^\s*(ensemble_scheduling\b|platform\s*:\s*["\']ensemble["\'])', re.MULTILINE)


def completed(arguments: Sequence[str], workdir: Path) -> list[str]:
    """The arguments, with a repository of links in place of one that lacks such folders."""
    return [
        _OPTION + str(_complete(Path(word[len(_OPTION) :]), workdir)) if _is_here(word) else word for word in arguments
    ]


def _is_here(word: str) -> bool:
    return word.startswith(_OPTION) and "://" not in word


def _complete(repository: Path, workdir: Path) -> Path:
    lacking = [model for model in _folders(repository) if _lacks(model)]
    if not lacking:
        return repository
    beside = folder(workdir, "repository-")
    for model in _folders(repository):
        if model not in lacking:
            (beside / model.name).symlink_to(model)
            continue
        (beside / model.name / "1").mkdir(parents=True)
        for file in model.iterdir():
            (beside / model.name / file.name).symlink_to(file)
    return beside


def folder(workdir: Path, prefix: str) -> Path:
    """A new folder in ``workdir``, or in /tmp where that can't be written to: a read-only image."""
    try:
        return Path(tempfile.mkdtemp(prefix=prefix, dir=workdir))
    except OSError:
        return Path(tempfile.mkdtemp(prefix=prefix))


def _folders(repository: Path) -> list[Path]:
    if not repository.is_dir():
        return []
    return sorted(child for child in repository.iterdir() if child.is_dir())


def _lacks(model: Path) -> bool:
    config = model / "config.pbtxt"
    if any(child.name.isdecimal() for child in model.iterdir()) or not config.is_file():
        return False
    return _ENSEMBLE.search(config.read_text(encoding="utf-8", errors="replace")) is not None
