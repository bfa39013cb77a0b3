"""Look at a model: find its file, ask each format whether it is one of its own, have it read. Never runs anything."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Protocol, cast

from mlserve.inspection import formats
from mlserve.inspection.finding import Finding, damaged

_HEAD = 4096
_MAX_FILES = 2000
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,30}")


class Format(Protocol):
    """A file of `mlserve.inspection.formats`: one model format."""

    SUFFIXES: tuple[str, ...]

    @staticmethod
    def matches(head: bytes, suffix: str) -> bool:
        """Whether a file that begins so, with that suffix, is to be read as this format."""

    @staticmethod
    def read(path: Path) -> Finding:
        """What the file says; damage is a problem in the finding, never an exception."""


class Folder(Protocol):
    """A format that is a folder: it has these beside what `Format` asks for."""

    MARKERS: tuple[str, ...]
    """Names of files, one of which makes a folder a model of this format."""

    @staticmethod
    def read_folder(path: Path) -> Finding:
        """What the model in the folder says; without a format where it is none of ours."""


def inspect(path: Path) -> Finding:
    """What the model at ``path`` says of itself: a file, or a folder with one. Never raises, runs nothing."""
    try:
        path = Path(path)
        return _installable(_folder(path) if path.is_dir() else _file(path))
    except OSError as exc:
        return damaged(None, f"it can't be read: {exc.strerror or exc}")
    except ValueError as exc:
        return damaged(None, f"it can't be read: {exc}")


def _installable(found: Finding) -> Finding:
    """Only versions that are ones: they become lines for the installer, which a file must not write itself."""
    told = {name: number for name, number in found.versions.items() if _VERSION.fullmatch(number)}
    return found if len(told) == len(found.versions) else replace(found, versions=told)


def _file(path: Path) -> Finding:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        return damaged(None, "it is not a regular file")
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(_HEAD)
    reason = _not_a_model(head, suffix)
    if reason:
        return damaged(None, reason)
    for reader in _formats():
        if reader.matches(head, suffix):
            return reader.read(path)
    return Finding()


def _not_a_model(head: bytes, suffix: str) -> str:
    """What else than a model a download often leaves behind."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    if not head:
        return "the file is empty"
    if head.startswith(b"version https://git-lfs.github.com/spec"):
        return "it is a Git LFS pointer, not the model itself: run `git lfs pull` where it came from"
    if suffix not in (".html", ".htm") and start.startswith((b"<!doctype html", b"<html")):
        return (
            "it is an HTML page, not a model: the address it came from answered with a web page (a login, or an error)"
        )
    if start.startswith(b"<?xml") and b"<error>" in head.lower():
        return "it is an error message of a storage server (XML), not a model"
    return ""


def _folder(path: Path) -> Finding:
    files = list(_files(path))
    if not files:
        return damaged(None, "the folder is empty")
    if found := _marked(path, files):
        return found
    known = {suffix for reader in _formats() for suffix in reader.SUFFIXES}
    models = [file for file in files if file.suffix.lower() in known]
    named = [file for file in models if file.stem == "model"]
    chosen = models if len(models) == 1 else named
    if len(chosen) == 1:
        name = str(chosen[0].relative_to(path))
        found = _file(chosen[0])
        return replace(found, file=name, problems=tuple(f"{name}: {problem}" for problem in found.problems))
    shown = ", ".join(str(file.relative_to(path)) for file in (models or files)[:8])
    more = ", …" if len(models or files) > 8 else ""
    what = (
        "several models in the folder (model_entry names one)"
        if models
        else "no model recognised in the folder, it has"
    )
    return Finding(notes=(f"{what}: {shown}{more}",))


def _marked(path: Path, files: list[Path]) -> Finding | None:
    """A model that is a folder: the one nearest to the top; of versions, folders that are numbers, the highest."""
    for reader in _formats():
        folders = {file.parent for file in files if file.name in getattr(reader, "MARKERS", ())}
        least = min((len(folder.parts) for folder in folders), default=0)
        top = sorted(folder for folder in folders if len(folder.parts) == least)
        if len(top) > 1 and all(folder.name.isdecimal() for folder in top):
            top = [max(top, key=lambda folder: int(folder.name))]
        if len(top) != 1:
            continue
        found = cast(Folder, reader).read_folder(top[0])
        if found.format is not None:
            return replace(found, file="" if top[0] == path else str(top[0].relative_to(path)))
    return None


def _files(path: Path) -> Iterator[Path]:
    count = 0
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__pycache__")))
        for name in sorted(names):
            count += 1
            if count > _MAX_FILES:
                return
            if not name.startswith("."):
                yield Path(folder, name)


@cache
def _formats() -> tuple[Format, ...]:
    """Every format: a file of the folder, those that are surest of their files first."""
    modules = [import_module(f"{formats.__name__}.{module.name}") for module in iter_modules(formats.__path__)]
    ordered = sorted(modules, key=lambda module: (getattr(module, "ORDER", 50), module.__name__))
    return tuple(cast(Format, module) for module in ordered)
