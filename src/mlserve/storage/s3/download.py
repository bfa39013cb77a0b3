"""Bring objects to this disk: in parallel, by pieces where they are large, from where it broke off, and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlserve.errors import FetchFailed
from mlserve.storage.base import FetchOptions, Progress
from mlserve.storage.cache import Cache, key_of
from mlserve.storage.crew import share
from mlserve.storage.partial import PIECE, Partial
from mlserve.storage.patience import Patience
from mlserve.storage.s3 import proof
from mlserve.storage.s3.address import Address
from mlserve.storage.s3.client import WORKERS
from mlserve.storage.s3.explained import Changed, Damaged, is_transient, is_unreachable
from mlserve.storage.s3.listing import Object
from mlserve.storage.s3.plain import Plain
from mlserve.storage.s3.tally import Tally

_CHUNK = 1 << 18
_LARGE = 2 * PIECE


@dataclass(slots=True)
class Download:
    """One fetch of some objects into ``dest``."""

    client: Any
    address: Address
    endpoint: str
    cache: Cache
    dest: Path
    options: FetchOptions
    progress: Progress
    patience: Patience
    _placed: set[str] = field(default_factory=set)
    _tally: Tally = field(init=False)
    _plain: Plain = field(init=False)

    def __post_init__(self) -> None:
        self._plain = Plain(self.client, self.address.bucket)

    def run(self, objects: Sequence[Object]) -> None:
        """Bring all of them; raises what boto3 raises, Changed, Damaged, FetchFailed, OSError."""
        total = sum(item.size for item in objects)
        absent = [item for item in objects if not self._taken(item)]
        self._tally = Tally(self.progress, total, total - sum(item.size for item in absent))
        share([item for item in absent if item.size <= _LARGE], lambda item: self._bring(item, 1), workers=WORKERS)
        for item in absent:
            if item.size > _LARGE:
                self._bring(item, WORKERS)

    def key(self, item: Object) -> str:
        """What the object is called in the cache."""
        return key_of("s3", self.endpoint, self.address.bucket, item.key, item.etag, item.size)

    def to_come(self, objects: Sequence[Object]) -> int:
        """The bytes that are not on this disk yet."""
        keys = ((self.key(item), item.size) for item in objects)
        return sum(size - self.cache.here(key, size) for key, size in keys if not self.cache.has(key, size))

    def forget(self, objects: Sequence[Object]) -> None:
        """The disk is full: what this fetch has put there goes."""
        for item in objects:
            self.cache.drop(self.key(item))

    def _bring(self, item: Object, workers: int) -> None:
        place = self._place(item)
        while not self._taken(item):
            with self.cache.filling(self.key(item), item.size, self.options.total_seconds) as partial:
                if partial is not None:
                    self._fill(partial, item, workers)
                    self.cache.keep(partial, place, linked=self.options.linked)
                    self._placed.add(self.key(item))
                    return
        self._tally.add(item.size)

    def _taken(self, item: Object) -> bool:
        key = self.key(item)
        if key not in self._placed and self.cache.take(key, item.size, self._place(item), linked=self.options.linked):
            self._placed.add(key)
        return key in self._placed

    def _place(self, item: Object) -> Path:
        place = self.dest / item.name
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def _fill(self, partial: Partial, item: Object, workers: int) -> None:
        """The bytes, then the check; what was damaged on its way is brought once more from the start."""
        wrong = self._filled(partial, item, workers)
        if wrong:
            self._tally.add(-item.size)
            partial.start_over()
            wrong = self._filled(partial, item, workers)
        if wrong:
            partial.forget()
            raise Damaged(f"{item.key} came damaged, twice: {wrong}")

    def _filled(self, partial: Partial, item: Object, workers: int) -> str:
        self._tally.add(partial.here)
        headers: dict[str, str] = {}
        running = proof.Running() if workers == 1 else None
        share(
            partial.missing(), lambda piece: headers.update(self._piece(partial, item, piece, running)), workers=workers
        )
        whole, part_size = _whole(headers), self._part_size(item)
        if not whole or not (part_size or proof.is_md5(item.etag, whole)):
            whole = self._head(item, ChecksumMode="ENABLED")
        md5 = running.digest(item.size) if running is not None else b""
        return proof.mistake(partial.path, item.etag, whole, part_size, md5)

    def _piece(self, partial: Partial, item: Object, piece: range, running: proof.Running | None) -> Mapping[str, str]:
        came = 0

        def ask() -> Mapping[str, str]:
            nonlocal came
            part = piece[came:] if came or len(piece) != item.size else None
            body, headers = self._plain.ask(item.key, item.etag, part)
            try:
                _refuse_other(headers, item, len(piece) - came)
                while data := body.read(_CHUNK):
                    partial.write(piece.start + came, data)
                    if running is not None:
                        running.add(piece.start + came, data)
                    came += len(data)
                    self._tally.add(len(data))
                    self.patience.came()
            finally:
                body.close()
            return headers

        headers = self.patience.each(lambda: _changed(item, ask), _judged)
        partial.done(piece)
        return headers

    def _head(self, item: Object, **more: Any) -> Mapping[str, str]:
        answer = self.patience.each(
            lambda: self.client.head_object(Bucket=self.address.bucket, Key=item.key, **more), _judged
        )
        return dict(answer["ResponseMetadata"]["HTTPHeaders"])

    def _part_size(self, item: Object) -> int:
        """Of an object that was uploaded in parts, where the service tells."""
        count = proof.parts_of(item.etag)
        if count <= 1:
            return item.size * count
        first, last = (int(self._head(item, PartNumber=n).get("content-length", 0)) for n in (1, count))
        return first if first * (count - 1) + last == item.size else 0


def _whole(headers: dict[str, str]) -> Mapping[str, str]:
    """The headers as they are about the object: what is said of a range alone says nothing of all of it."""
    if "content-range" not in headers:
        return headers
    return {name: value for name, value in headers.items() if not name.startswith(("content-md5", "x-amz-checksum"))}


def _refuse_other(headers: Mapping[str, str], item: Object, length: int) -> None:
    if item.etag and headers.get("etag") not in (None, item.etag):
        raise Changed(f"{item.key} was written over while it was read")
    came = headers["content-length"]
    if int(came) != length:
        raise Changed(f"{item.key} has another size than it had: {came} bytes came, not {length}")


def _changed(item: Object, ask: Callable[[], Mapping[str, str]]) -> Mapping[str, str]:
    from botocore.exceptions import ClientError

    try:
        return ask()
    except ClientError as exc:
        if exc.response["ResponseMetadata"]["HTTPStatusCode"] in (404, 412, 416):
            raise Changed(f"{item.key} was written over or removed while it was read") from exc
        raise


def _judged(exc: Exception) -> tuple[bool, bool]:
    if isinstance(exc, FetchFailed | Changed | OSError) and not is_transient(exc):
        return False, False
    return is_transient(exc), is_unreachable(exc)
