"""The content store: trees of files, each named by the digest of its manifest, so that a version stays what it was."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlserve.errors import FetchFailed, InvalidInput, NoCapacity, NotFound
from mlserve.storage.archives import is_archive, unpack, without_suffix
from mlserve.storage.base import Limits, Progress
from mlserve.storage.blobs import Blobs
from mlserve.storage.disk import names_full_disk, size_text
from mlserve.storage.manifest import Entry, Source, canonical, checked_sha, digest, parse, scan
from mlserve.storage.names import unsafe
from mlserve.storage.placing import drop, file_size, put_in_place, sha256_of, sync_folder, write_synced

_WORKERS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Content:
    """A tree in the store: its digest, the base name of what was added, and its bytes."""

    digest: str
    name: str
    size: int


class ContentStore:
    """Files in ``blobs/``, trees of links to them in ``trees/<hex>/``, each with its manifest beside it.

    ``pins/<hex>`` keeps a tree until the time that is the file's own.
    ``views/<hex>/<name>`` shows a tree under the user's own name, so that errors and tracebacks speak of that.
    Several processes may use one store at once; a crash leaves nothing half-made under a final name.
    """

    def __init__(self, root: Path) -> None:
        self.root, self._trees, self._views = root, root / "trees", root / "views"
        self._pins = root / "pins"
        for folder in (self._trees, self._views, self._pins):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._blobs = Blobs(root)

    def add(self, path: Path, *, ours: bool = False, progress: Progress | None = None) -> Content:
        """Take in a copy of a file or folder; raises InvalidInput naming what can't be taken, or NoCapacity.

        ``ours``: nobody else will write to the files, so they are linked instead of copied.
        """
        sources, started = scan(path), time.time()
        total = sum(source.size for source in sources)
        try:
            with names_full_disk(f"a copy of {path} ({size_text(total)})", self.root):
                return self._plant(self._taken_in(sources, ours, total, progress), path.absolute().name)
        except NoCapacity:
            self._drop_unused(lambda touched: touched >= started)
            raise

    def missing(self, shas: Iterable[str]) -> list[dict[str, Any]]:
        """Those of the blobs that are not here yet, each with how many of its bytes have been received."""
        return [
            {"sha256": sha, "received": self._blobs.received(sha)}
            for sha in dict.fromkeys(shas)
            if not self._blobs.path(sha).exists()
        ]

    def write_blob(self, sha: str, offset: int, total: int, data: bytes) -> int:
        """Take one chunk of an upload: see `Blobs.write`."""
        return self._blobs.write(sha, offset, total, data)

    def add_tree(self, manifest: Sequence[Mapping[str, Any]], name: str) -> Content:
        """Build a tree of blobs that are here; raises InvalidInput naming those that are not."""
        entries = parse(manifest)
        absent = [entry for entry in entries if not self._blobs.has(entry.sha256, entry.size)]
        for entry in absent:
            self._blobs.drop_damaged(entry.sha256)
        if absent:
            details = [
                {"code": "missing-blob", "message": entry.path, "sha256": entry.sha256} for entry in absent[:100]
            ]
            raise InvalidInput(f"{len(absent)} of {len(entries)} files have not been uploaded", details=details)
        with names_full_disk("a tree", self.root):
            return self._plant(entries, name)

    def path(self, content: str) -> Path:
        """The directory of a tree; raises NotFound, or FetchFailed when a file of it lost or gained bytes."""
        tree = self._tree(content)
        if not tree.is_dir():
            raise NotFound(f"content {content} is not in {self.root}", hint="create or update the service again")
        for entry in self._manifest(content):
            if (size := file_size(tree / entry.path)) != entry.size:
                raise FetchFailed(
                    f"{tree / entry.path} is damaged: it had {entry.size} bytes, now {size or 0}",
                    hint="update the service from the original files: they replace the damaged one",
                    details=[{"code": "damaged", "path": entry.path}],
                )
        return tree

    def open(self, content: str, name: str) -> Path:
        """What a user called ``name``, under that name: the file, the folder, or what came out of an archive."""
        tree = self.path(content)
        files = list(tree.iterdir())
        if len(files) == 1 and files[0].name == name and files[0].is_file():
            return self._unpacked(content, files[0]) if is_archive(name) else files[0]
        view = self._view(content, name)
        with suppress(FileExistsError):
            view.symlink_to(os.path.relpath(tree, view.parent), target_is_directory=True)
        return view

    def raw(self, content: str, name: str) -> Path:
        """The file or folder as it came: an archive is not unpacked."""
        tree = self.path(content)
        one = tree / name if "/" not in name else tree
        return one if one.is_file() and len(list(tree.iterdir())) == 1 else tree

    def pin(self, content: str, seconds: float) -> float:
        """Keep a tree for so long, whatever uses it; the time until when. Raises NotFound."""
        pin = self._pins / self._tree(content).name
        self.path(content)
        until = max(time.time() + seconds, _until(pin))
        pin.touch(mode=0o600)
        os.utime(pin, (until, until))
        return until

    def holder(self, path: Path) -> str | None:
        """The content that a path given out by `open` belongs to; None for a path elsewhere."""
        for root in (self._trees, self._views):
            if path.is_relative_to(root):
                return f"sha256:{path.relative_to(root).parts[0]}"
        return None

    def verify(self, content: str) -> list[str]:
        """The files of a tree whose bytes are not what they were; reads all of them."""
        tree = self.path(content)
        return [entry.path for entry in self._manifest(content) if sha256_of(tree / entry.path) != entry.sha256]

    def prune(self, keep: Iterable[str], *, older_than: float = 3600.0) -> None:
        """Drop trees not in ``keep``, files that no tree has, and uploads given up.

        Only what is older than ``older_than`` seconds goes: the tree of a running create may still be on its way.
        """
        kept, before = {self._tree(content).name for content in keep} | self._pinned(), time.time() - older_than
        for item in (*self._trees.iterdir(), *self._views.iterdir()):
            if item.name.removesuffix(".json") not in kept and item.stat().st_mtime < before:
                drop(item)
        self._drop_unused(lambda touched: touched < before)

    def _pinned(self) -> set[str]:
        now, pins = time.time(), list(self._pins.iterdir())
        for pin in pins:
            if _until(pin) < now:
                pin.unlink(missing_ok=True)
        return {pin.name for pin in pins if pin.exists()}

    def _taken_in(self, sources: list[Source], ours: bool, total: int, progress: Progress | None) -> list[Entry]:
        entries: list[Entry] = []
        done = 0
        with ThreadPoolExecutor(_WORKERS) as pool:
            for entry in pool.map(self._blobs.adopt if ours else self._blobs.take_in, sources):
                entries.append(entry)
                done += entry.size
                if progress:
                    progress(done, total)
        return entries

    def _unpacked(self, content: str, archive: Path) -> Path:
        view = self._view(content, without_suffix(archive.name))
        if not view.exists():
            growing = Path(tempfile.mkdtemp(prefix="archive-", dir=self._blobs.incoming))
            try:
                unpack(archive, growing / "unpacked", Limits())
                put_in_place(growing / "unpacked", view)
            finally:
                drop(growing)
        return view

    def _view(self, content: str, name: str) -> Path:
        folder = self._views / self._tree(content).name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / ("content" if unsafe(name) or "/" in name else name)

    def _drop_unused(self, chosen: Callable[[float], bool]) -> None:
        for item in (*self._blobs.folder.iterdir(), *self._blobs.incoming.iterdir()):
            seen = item.stat()
            if (item.is_dir() or seen.st_nlink == 1) and chosen(max(seen.st_mtime, seen.st_ctime)):
                drop(item)

    def _plant(self, entries: list[Entry], name: str) -> Content:
        content = Content(digest(entries), name, sum(entry.size for entry in entries))
        tree = self._tree(content.digest)
        manifest = tree.with_suffix(".json")
        if manifest.exists() and _whole(tree, entries):
            for item in (manifest, tree):  # both count as new: neither goes without the other
                os.utime(item)
            return content
        growing = Path(tempfile.mkdtemp(prefix="tree-", dir=self._blobs.incoming))
        try:
            for entry in entries:
                self._link(entry, growing / "tree" / entry.path)
            write_synced(growing / "manifest", canonical(entries))
            os.replace(growing / "manifest", manifest)
            if not _whole(tree, entries):
                with suppress(FileNotFoundError):  # else it is damaged, and gives way
                    os.rename(tree, growing / "damaged")
                put_in_place(growing / "tree", tree)
            sync_folder(self._trees)
        finally:
            drop(growing)
        return content

    def _link(self, entry: Entry, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        blob = self._blobs.path(entry.sha256)
        if not entry.executable and _linked(blob, place):
            return
        shutil.copyfile(blob, place)  # links share their mode, so a file that may be run is a copy of its own
        place.chmod(0o555 if entry.executable else 0o444)

    def _tree(self, content: str) -> Path:
        return self._trees / checked_sha(content.removeprefix("sha256:"))

    def _manifest(self, content: str) -> list[Entry]:
        return parse(json.loads(self._tree(content).with_suffix(".json").read_bytes()))


def _linked(blob: Path, place: Path) -> bool:
    """False on a disk without hard links, or at its limit of links to one file."""
    try:
        os.link(blob, place)
    except FileNotFoundError:
        raise
    except OSError:
        return False
    return True


def _until(pin: Path) -> float:
    try:
        return pin.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _whole(tree: Path, entries: Iterable[Entry]) -> bool:
    return tree.is_dir() and all(file_size(tree / entry.path) == entry.size for entry in entries)
