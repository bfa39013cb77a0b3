"""A descriptor made ready to be sent: read, changed by ``--set``, checked, its local files taken in."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlserve.client.uploads import Uploaded, take_in
from mlserve.management import Management

Source = str | os.PathLike[str] | Mapping[str, Any]
"""A descriptor's file, or the descriptor itself (its paths are then relative to the working directory)."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A descriptor that parses. ``paths``: pointers of the fields that name local files."""

    name: str
    raw: dict[str, Any]
    base: Path
    paths: Mapping[str, str]

    def submission(self, management: Management, on_upload: Uploaded | None = None) -> dict[str, Any]:
        """The body that the hub wants."""
        content = take_in(management, self.paths, self.base, on_upload)
        return {"descriptor": self.raw, "content": content, "base": str(self.base)}


def draft(source: Source, changes: Sequence[str] = ()) -> Draft:
    """Read and check a descriptor; nothing is sent. Raises InvalidDescriptor."""
    # pydantic and yaml come with it, and only verbs that send a descriptor need them
    from mlserve.descriptor import local_paths, parse, read_file, set_values

    raw, base = _read(source, read_file)
    if changes:
        raw = set_values(raw, list(changes))
    parsed = parse(raw)
    return Draft(parsed.descriptor.name, raw, base, local_paths(raw))


def _read(source: Source, read_file: Any) -> tuple[dict[str, Any], Path]:
    if isinstance(source, Mapping):
        return dict(source), Path.cwd()
    path = Path(os.path.abspath(source))
    return read_file(path), path.parent
