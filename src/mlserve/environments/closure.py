"""Which wheels of this machine's folders an installation elsewhere can use, and whether they are all it needs."""

from __future__ import annotations

import email
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from mlserve.errors import EnvironmentFailed

_ELSEWHERE = ("win", "macosx", "ios", "android")


@dataclass(frozen=True, slots=True)
class Wheels:
    """Files, and the names of packages that none of them holds."""

    files: tuple[Path, ...] = ()
    missing: tuple[str, ...] = ()


def wheels_for(requirements: Sequence[str], folders: Iterable[Path]) -> Wheels:
    """The wheels of the packages that requirements lead to, in every version and for every Python that lies there.

    Which of them fit is for the installer to say, which runs on another Python than this one, maybe.
    """
    there = _by_name(folders)
    files: dict[Path, None] = {}
    missing: dict[str, None] = {}
    waiting, seen = [requirement for line in requirements if (requirement := _read(line))], set[str]()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if str(requirement) in seen or (requirement.marker and not requirement.marker.evaluate()):
            continue
        seen.add(str(requirement))
        fitting = there.get(name, ())
        if not fitting:
            missing[name] = None
        for file in fitting:
            files[file] = None
            waiting += _needed(file, requirement.extras)
    return Wheels(tuple(sorted(files)), tuple(sorted(missing)))


def _by_name(folders: Iterable[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for folder in folders:
        for file in sorted(folder.glob("*.whl")):
            try:
                name, _, _, tags = parse_wheel_filename(file.name)
            except InvalidWheelFilename:
                continue  # the installer would not take it either
            if any(not tag.platform.startswith(_ELSEWHERE) for tag in tags):
                found.setdefault(name, []).append(file)
    return found


def _read(line: str) -> Requirement | None:
    try:
        return Requirement(line)
    except InvalidRequirement:
        return None  # an option or an address: for the installer


def _needed(file: Path, extras: Iterable[str]) -> Iterator[Requirement]:
    """What a wheel itself requires, on a Linux like this one."""
    try:
        with zipfile.ZipFile(file) as archive:
            name = next(one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
            told = email.message_from_bytes(archive.read(name))
    except (zipfile.BadZipFile, StopIteration) as exc:
        raise EnvironmentFailed(f"{file} is no wheel: {exc}", hint="download it again") from exc
    for line in told.get_all("Requires-Dist") or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            requirement.marker = None
            yield requirement
