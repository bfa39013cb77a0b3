"""The cache of a host: what it drops, and what it never does."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlserve.errors import FetchFailed
from mlserve.storage import Cache, ContentStore


def kept(cache: Cache, key: str, size: int, beside: Path) -> Path:
    """A file in the cache, and the same bytes under a place of a fetch."""
    beside.mkdir(parents=True, exist_ok=True)
    file = beside / f"{key}.bin"
    file.write_bytes(key.encode() * size)
    cache.add(file, key, linked=True)
    return file


def test_what_a_version_uses_is_never_dropped_and_counts_for_nothing(tmp_path: Path) -> None:
    cache, store = Cache(tmp_path / "cache", bound=0), ContentStore(tmp_path / "content")
    used = store.add(kept(cache, "u", 1000, tmp_path / "used"), ours=True)
    kept(cache, "l", 500, tmp_path / "loose").unlink()
    (tmp_path / "used" / "u.bin").unlink()
    cache.trim()
    assert (cache.has("u", 1000), cache.has("l", 500)) == (True, False)
    assert (cache.usage().size, cache.usage().used) == (1000, 1000)
    assert (store.open(used.digest, used.name)).read_bytes() == b"u" * 1000
    store.prune(keep=(), older_than=-1)
    cache.trim()
    assert cache.usage().files == 0


def test_one_whose_bytes_are_not_all_there_counts_as_absent(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    kept(cache, "k", 10, tmp_path / "place")
    assert not cache.take("k", 11, tmp_path / "wanted", linked=True)
    assert not (tmp_path / "wanted").exists()


def test_one_who_waits_for_another_process_that_does_not_get_on_is_told(tmp_path: Path) -> None:
    first, second = Cache(tmp_path / "cache"), Cache(tmp_path / "cache")
    with first.filling("k", 10, 5) as partial:
        assert partial is not None
        with pytest.raises(FetchFailed, match="another process fetches the same"), second.filling("k", 10, 0.1):
            pytest.fail("two of them write")
        partial.write(0, b"0123456789")
        first.keep(partial, tmp_path / "place", linked=True)
    with second.filling("k", 10, 5) as partial:
        assert partial is None, "the other one has brought it"
    assert second.take("k", 10, tmp_path / "mine", linked=False)
    assert (tmp_path / "mine").read_bytes() == b"0123456789"
