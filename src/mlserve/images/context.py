"""What a builder is sent for a recipe: its files, always the same bytes for the same content, so that caches hold."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from mlserve.errors import InvalidInput
from mlserve.images.dockerfile import REQUIREMENTS, WHEELS, dockerfile, foundation
from mlserve.images.recipe import Layer, Recipe

_LEFT_OUT = ("__pycache__", ".git")
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or folder of the context: a file here, or a text of ours."""

    name: str
    file: Path | None = None
    text: str | None = None

    @property
    def is_folder(self) -> bool:
        return self.file is None and self.text is None


def of_foundation(recipe: Recipe, text: str) -> Iterator[Entry]:
    """The context of a recipe's foundation with this Dockerfile."""
    yield Entry("Dockerfile", text=text)
    yield from _inside("requirements", REQUIREMENTS, Entry("", text="".join(f"{r}\n" for r in recipe.requirements)))
    for wheel in sorted(recipe.wheels):
        yield from _inside("wheels", f"{WHEELS}/{Path(wheel).name}", Entry("", Path(wheel)))
    yield from _of_layer("runtime", recipe.runtime)


def of_image(recipe: Recipe, text: str) -> Iterator[Entry]:
    """The context of what stands on it."""
    yield Entry("Dockerfile", text=text)
    yield from _of_layer("code", recipe.code)
    yield from _of_layer("model", recipe.model)


def foundation_key(recipe: Recipe, base: str) -> str:
    """A name for the content of a foundation; ``base``: the id of the base image."""
    wheels = [(Path(wheel).name, _hash(Path(wheel))) for wheel in sorted(recipe.wheels)]
    return _digest([foundation(recipe), base, recipe.requirements, wheels, [*_told(recipe.runtime)]])[:16]


def digest(recipe: Recipe) -> str:
    """The content address of an image: what is in it and how it starts, whatever it is called."""
    above = [dockerfile(recipe, ""), [*_told(recipe.code)], [*_told(recipe.model)]]
    return "sha256:" + _digest([foundation_key(recipe, ""), above])


def archive(found: Iterator[Entry]) -> Iterator[bytes]:
    """The context as a tar file, piece by piece; raises InvalidInput for a file that changes meanwhile."""
    seen: set[str] = set()
    for entry in found:
        if entry.name in seen:
            continue
        seen.add(entry.name)
        yield from _packed(entry)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


def _digest(told: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _of_layer(name: str, layer: Layer) -> Iterator[Entry]:
    for place, source in sorted(layer.files.items()):
        for below, file in _tree(Path(source), ()):
            yield from _inside(name, f"{place}/{below}" if below else place, Entry("", file))


def _inside(folder: str, place: str, entry: Entry) -> Iterator[Entry]:
    """An entry at a place of the image, behind the folders that lead there."""
    path = PurePosixPath(folder, place.lstrip("/"))
    for parent in reversed([parent for parent in path.parents if parent.name]):
        yield Entry(str(parent))
    yield replace(entry, name=str(path))


def _tree(path: Path, above: tuple[Path, ...]) -> Iterator[tuple[str, Path | None]]:
    """Relative path → file (None: a folder), links followed: what they lead to isn't in the image otherwise."""
    if not path.is_dir():
        yield "", path
        return
    real = path.resolve()
    if real in above:
        raise InvalidInput(f"{path} leads back to a folder it is in", hint="remove that link from the folder")
    yield "", None
    for name in sorted(os.listdir(path)):
        child = path / name
        if name in _LEFT_OUT or not (child.is_file() or child.is_dir()):
            continue
        for below, file in _tree(child, (*above, real)):
            yield (f"{name}/{below}" if below else name), file


def _told(layer: Layer) -> Iterator[tuple[str, ...]]:
    for place, source in sorted(layer.files.items()):
        if place in layer.digests:
            yield place, layer.digests[place]
            continue
        for below, file in _tree(Path(source), ()):
            yield place, below, f"{_mode(file):o} {_hash(file)}" if file else ""


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _mode(file: Path | None) -> int:
    """Readable for everyone, whoever runs it there; a program stays one."""
    return 0o755 if file is None or file.stat().st_mode & 0o111 else 0o644


def _packed(entry: Entry) -> Iterator[bytes]:
    info = tarfile.TarInfo(entry.name)
    if entry.is_folder:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        yield info.tobuf()
        return
    if entry.file is None:
        data = (entry.text or "").encode()
        info.size, info.mode = len(data), 0o644
        yield info.tobuf()
        yield from _padded(io.BytesIO(data), info)
        return
    info.size, info.mode = entry.file.stat().st_size, _mode(entry.file)
    yield info.tobuf()
    with entry.file.open("rb") as stream:
        yield from _padded(stream, info)


def _padded(stream: io.BufferedIOBase, info: tarfile.TarInfo) -> Iterator[bytes]:
    left = info.size
    while left:
        piece = stream.read(min(left, _PIECE))
        if not piece:
            raise InvalidInput(f"{info.name} changed while it was read", hint="try again once it is written")
        left -= len(piece)
        yield piece
    yield b"\0" * (-info.size % tarfile.BLOCKSIZE)
