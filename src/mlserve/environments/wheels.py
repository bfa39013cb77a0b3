"""Wheels in folders of this machine: what they offer. A version that lies here wins over a newer one of an index."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.tags import sys_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

VARIABLE = "MLSERVE_WHEELS"
"""Folders with wheels, with ``:`` between them."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """The version of a package that a folder has for this interpreter."""

    name: str
    version: str
    folder: str

    @property
    def pin(self) -> str:
        return f"{self.name}=={self.version}"

    def __str__(self) -> str:
        return f"{self.name} {self.version} from {self.folder}"


def wheel_folders(environ: Mapping[str, str], configured: Mapping[str, str]) -> tuple[Path, ...]:
    """The folders that MLSERVE_WHEELS, uv's UV_FIND_LINKS and pip's find-links name; addresses are left to uv."""
    named = [
        *environ.get(VARIABLE, "").split(":"),
        *re.split(r"[,\s]+", environ.get("UV_FIND_LINKS", "")),
        *configured.get("find-links", "").split(),
    ]
    paths = (Path(name.removeprefix("file://")) for name in named if name and "://" not in name.removeprefix("file://"))
    return tuple(dict.fromkeys(path for path in paths if path.is_dir()))


def offered(folders: Iterable[Path], *, gpu: bool = False) -> tuple[Wheel, ...]:
    """The newest wheel of each package that this interpreter can use; for a GPU, builds for the CPU alone don't count.

    Where two folders have the same version, the first one's is named.
    """
    found: dict[str, tuple[Version, Wheel]] = {}
    tags = None
    for folder in folders:
        for file in sorted(folder.glob("*.whl")):
            tags = tags or frozenset(sys_tags())  # slow: only where there are wheels
            try:
                name, version, _build, wheel_tags = parse_wheel_filename(file.name)
            except InvalidWheelFilename:
                continue  # uv says so, should it be wanted
            if tags.isdisjoint(wheel_tags) or (gpu and version.local == "cpu"):
                continue
            if name not in found or found[name][0] < version:
                found[name] = (version, Wheel(name, str(version), str(folder)))
    return tuple(wheel for _, wheel in sorted(found.values(), key=lambda pair: pair[1].name))
