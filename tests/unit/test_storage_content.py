"""The content store keeps what it was given, once, and refuses what it can't keep."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlserve.errors import Conflict, FetchFailed, InvalidInput, NoCapacity, NotFound
from mlserve.storage import ContentStore
from mlserve.storage.manifest import digest, parse, scan


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "content")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"weights")
    (folder / "sub" / "b.txt").write_text("text")
    run = folder / "run.sh"
    run.write_text("#!/bin/sh\n")
    run.chmod(0o755)
    return folder


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_file_becomes_a_tree_of_one_file(store: ContentStore, folder: Path) -> None:
    content = store.add(folder / "a.bin")
    assert (content.name, content.size) == ("a.bin", 7)
    assert (store.path(content.digest) / "a.bin").read_bytes() == b"weights"
    entry = {"path": "a.bin", "sha256": sha(b"weights"), "size": 7, "executable": False}
    canonical = json.dumps([entry], separators=(",", ":"), sort_keys=True)
    assert content.digest == f"sha256:{sha(canonical.encode())}"


def test_a_folder_keeps_its_names_and_what_may_be_run(store: ContentStore, folder: Path) -> None:
    tree = store.path(store.add(folder).digest)
    assert files(tree) == ["a.bin", "run.sh", "sub/b.txt"]
    assert os.access(tree / "run.sh", os.X_OK)
    assert not (tree / "a.bin").stat().st_mode & 0o333


def test_a_tree_stays_what_it_was_when_the_original_changes(store: ContentStore, folder: Path) -> None:
    before = store.add(folder)
    (folder / "a.bin").write_bytes(b"others!")
    after = store.add(folder)
    assert before.digest != after.digest
    assert (store.path(before.digest) / "a.bin").read_bytes() == b"weights"


def test_the_same_bytes_are_kept_once(store: ContentStore, folder: Path) -> None:
    (folder / "twin.bin").write_bytes(b"weights")
    first = store.add(folder)
    assert store.add(folder) == first
    assert len(list((store.root / "blobs").iterdir())) == 3
    assert not list((store.root / "incoming").iterdir())


def test_files_that_are_ours_are_linked_not_copied(store: ContentStore, folder: Path) -> None:
    (folder / "link.bin").symlink_to("a.bin")
    copied = ContentStore(folder.parent / "other").add(folder)
    content = store.add(folder, ours=True)
    assert content == copied
    assert (store.path(content.digest) / "a.bin").samefile(folder / "a.bin")
    assert os.access(store.path(content.digest) / "run.sh", os.X_OK)
    assert not list((store.root / "incoming").iterdir())


def test_progress_ends_at_the_whole_size(store: ContentStore, folder: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    content = store.add(folder, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (content.size, content.size)


def test_workplace_leftovers_are_not_taken_in(store: ContentStore, folder: Path) -> None:
    for name in (".git/config", "__pycache__/a.pyc", ".venv/pyvenv.cfg", ".venv/lib.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    assert files(store.path(store.add(folder).digest)) == ["a.bin", "run.sh", "sub/b.txt"]


def test_links_inside_are_followed_and_links_outside_are_refused(store: ContentStore, folder: Path) -> None:
    (folder / "link.bin").symlink_to("a.bin")
    (folder / "linked").symlink_to("sub")
    tree = store.path(store.add(folder).digest)
    assert files(tree) == ["a.bin", "link.bin", "linked/b.txt", "run.sh", "sub/b.txt"]
    assert not (tree / "link.bin").is_symlink()
    (folder / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(InvalidInput, match="passwd is a link to /etc/passwd, outside of"):
        store.add(folder)


def test_a_link_named_by_the_user_is_followed(store: ContentStore, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "newest").symlink_to(folder / "a.bin")
    content = store.add(tmp_path / "newest")
    assert (store.path(content.digest) / "newest").read_bytes() == b"weights"


def test_a_circle_of_links_and_a_broken_link_are_named(store: ContentStore, folder: Path) -> None:
    (folder / "sub" / "round").symlink_to("..")
    with pytest.raises(InvalidInput, match="round is a link to a folder that contains it"):
        store.add(folder)
    (folder / "sub" / "round").unlink()
    (folder / "gone").symlink_to("nowhere")
    with pytest.raises(InvalidInput, match="gone is a link to nowhere, which leads nowhere"):
        store.add(folder)


def test_what_is_no_file_is_named(store: ContentStore, folder: Path, tmp_path: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(InvalidInput, match="pipe is a pipe, not a regular file"):
        store.add(folder)
    (folder / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "s"))
        with pytest.raises(InvalidInput, match="is a socket"):
            store.add(folder)
    with pytest.raises(InvalidInput, match="no such file or directory"):
        store.add(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="has no file in it"):
        store.add(tmp_path / "empty")


def test_what_may_not_be_read_is_named() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        with as_nobody():
            refuses_what_is_closed(Path(name))


def refuses_what_is_closed(folder: Path) -> None:
    (folder / "secret").write_text("s")
    (folder / "secret").chmod(0)
    with pytest.raises(InvalidInput, match="secret can't be read: permission denied"):
        scan(folder)
    (folder / "secret").unlink()
    (folder / "closed").mkdir(mode=0)
    with pytest.raises(InvalidInput, match="closed can't be listed"):
        scan(folder)
    (folder / "closed").rmdir()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything: be someone else for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_an_upload_in_pieces_ends_in_a_tree(store: ContentStore) -> None:
    data = b"0123456789"
    assert store.missing([sha(data)]) == [{"sha256": sha(data), "received": 0}]
    assert store.write_blob(sha(data), 0, 10, data[:4]) == 4
    assert store.missing([sha(data)]) == [{"sha256": sha(data), "received": 4}]
    assert store.write_blob(sha(data), 0, 10, data[:4]) == 4
    assert store.write_blob(sha(data), 4, 10, data[4:]) == 10
    assert store.write_blob(sha(data), 4, 10, data[4:]) == 10
    assert store.missing([sha(data)]) == []
    entry = {"path": "d/x", "sha256": sha(data), "size": 10, "executable": False}
    content = store.add_tree([entry], "d")
    assert (store.path(content.digest) / "d/x").read_bytes() == data


def test_an_empty_file_can_be_uploaded(store: ContentStore) -> None:
    assert store.write_blob(sha(b""), 0, 0, b"") == 0
    assert store.missing([sha(b"")]) == []


def test_a_gap_or_a_wrong_checksum_in_an_upload_is_refused(store: ContentStore) -> None:
    name = sha(b"right")
    with pytest.raises(Conflict, match="0 bytes are here, but the chunk starts at 2"):
        store.write_blob(name, 2, 5, b"ght")
    with pytest.raises(InvalidInput, match=f"the upload has sha256 {sha(b'wrong')}"):
        store.write_blob(name, 0, 5, b"wrong")
    assert store.missing([name]) == [{"sha256": name, "received": 0}]
    with pytest.raises(InvalidInput, match="not within a blob of 5"):
        store.write_blob(name, 0, 5, b"too long")


@pytest.mark.parametrize(
    "path", ["../up", "/etc/passwd", "a/../../b", "", "a//b", "./a", "a\0b", "C:/x", "x" * 300, "\udcff"]
)
def test_a_manifest_can_not_leave_its_tree(store: ContentStore, path: str) -> None:
    store.write_blob(sha(b"x"), 0, 1, b"x")
    with pytest.raises(InvalidInput):
        store.add_tree([{"path": path, "sha256": sha(b"x"), "size": 1, "executable": False}], "t")


@pytest.mark.parametrize("name", ["../../etc/passwd", "A" * 64, "", "0" * 63])
def test_only_a_checksum_is_a_checksum(store: ContentStore, name: str) -> None:
    with pytest.raises(InvalidInput, match="not a sha256"):
        store.write_blob(name, 0, 1, b"x")
    with pytest.raises(InvalidInput, match="not a sha256"):
        store.missing([name])
    with pytest.raises(InvalidInput, match="not a sha256"):
        store.path(f"sha256:{name}")


def test_a_manifest_names_each_path_once_and_only_files_that_are_here(store: ContentStore) -> None:
    entry = {"path": "a", "sha256": sha(b"x"), "size": 1, "executable": False}
    with pytest.raises(InvalidInput, match="1 of 1 files have not been uploaded"):
        store.add_tree([entry], "t")
    with pytest.raises(InvalidInput, match="twice"):
        parse([entry, entry])
    with pytest.raises(InvalidInput, match="as a file and as a folder"):
        parse([entry, {**entry, "path": "a/b"}])
    with pytest.raises(InvalidInput, match="names no file"):
        parse([])


def test_a_damaged_file_is_noticed_and_healed_by_adding_it_again(store: ContentStore, folder: Path) -> None:
    content = store.add(folder)
    damaged = store.path(content.digest) / "a.bin"
    damaged.chmod(0o644)
    damaged.write_bytes(b"cut")
    with pytest.raises(FetchFailed, match=r"a\.bin is damaged: it had 7 bytes, now 3"):
        store.path(content.digest)
    assert store.add(folder) == content
    assert store.verify(content.digest) == []


def test_changed_bytes_of_the_same_length_are_found_by_verify(store: ContentStore, folder: Path) -> None:
    content = store.add(folder)
    changed = store.path(content.digest) / "a.bin"
    changed.chmod(0o644)
    changed.write_bytes(b"WEIGHTS")
    assert store.verify(content.digest) == ["a.bin"]


def test_an_unknown_digest_is_not_found(store: ContentStore) -> None:
    with pytest.raises(NotFound, match="is not in"):
        store.path(f"sha256:{'0' * 64}")


def test_many_may_add_the_same_at_once(store: ContentStore, folder: Path) -> None:
    for number in range(20):
        (folder / f"{number}.bin").write_bytes(os.urandom(10_000))
    with ThreadPoolExecutor(8) as pool:
        contents = set(pool.map(lambda _: ContentStore(store.root).add(folder), range(16)))
    assert len(contents) == 1
    assert store.verify(contents.pop().digest) == []
    assert not list((store.root / "incoming").iterdir())


def test_content_is_opened_under_the_name_its_user_gave(store: ContentStore, folder: Path) -> None:
    single, tree = store.add(folder / "a.bin"), store.add(folder)
    assert store.open(single.digest, "a.bin").read_bytes() == b"weights"
    assert store.open(single.digest, "a.bin").name == "a.bin"
    opened = store.open(tree.digest, "model")
    assert store.open(tree.digest, "model") == opened
    assert (opened.name, files(opened)) == ("model", ["a.bin", "run.sh", "sub/b.txt"])
    assert store.open(tree.digest, "../../up").is_relative_to(store.root)


def test_an_archive_is_opened_unpacked(store: ContentStore, folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "code.tar.gz", "w:gz") as archive:
        archive.add(folder / "run.sh", "run.sh")
    content = store.add(tmp_path / "code.tar.gz")
    opened = store.open(content.digest, "code.tar.gz")
    assert (opened.name, files(opened)) == ("code", ["run.sh"])
    assert store.open(content.digest, "code.tar.gz") == opened
    store.prune([], older_than=-1)
    assert files(store.root) == []


def test_prune_drops_what_nobody_keeps(store: ContentStore, folder: Path) -> None:
    kept, dropped = store.add(folder / "a.bin"), store.add(folder / "sub")
    store.write_blob(sha(b"half"), 0, 4, b"ha")
    store.prune([kept.digest])
    assert store.path(dropped.digest)
    store.prune([kept.digest], older_than=-1)
    assert files(store.path(kept.digest)) == ["a.bin"]
    with pytest.raises(NotFound):
        store.path(dropped.digest)
    assert files(store.root / "blobs") == [sha(b"weights")]
    assert not list((store.root / "incoming").iterdir())


def test_what_is_taken_in_again_after_long_stays_whole(store: ContentStore, folder: Path) -> None:
    first = store.add(folder)
    for item in (store.root / "trees").iterdir():
        os.utime(item, (1, 1))
    assert store.add(folder) == first
    store.prune([])
    assert files(store.path(first.digest)) == ["a.bin", "run.sh", "sub/b.txt"]


def test_a_tree_whose_list_of_files_was_lost_is_taken_in_again(store: ContentStore, folder: Path) -> None:
    first = store.add(folder)
    (store.root / "trees" / f"{first.digest.removeprefix('sha256:')}.json").unlink()
    assert store.add(folder) == first
    assert store.verify(first.digest) == []


def test_the_digest_does_not_depend_on_the_order(folder: Path) -> None:
    assert [source.path for source in scan(folder)] == ["a.bin", "run.sh", "sub/b.txt"]
    entries = parse(
        [{"path": path, "sha256": sha(path.encode()), "size": 1, "executable": False} for path in ("b", "a")]
    )
    assert digest(entries) == digest(reversed(entries))


def test_a_full_disk_is_named_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """A limit on file size stands in for the disk: the same error paths, and no root needed."""
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "small.bin").write_bytes(b"s")
    (tmp_path / "big" / "large.bin").write_bytes(b"l" * 200_000)
    script = textwrap.dedent("""
        import resource, sys
        from pathlib import Path
        from mlserve.errors import NoCapacity
        from mlserve.storage import ContentStore
        store = ContentStore(Path(sys.argv[1]))
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            store.add(Path(sys.argv[2]))
        except NoCapacity as error:
            print(error.details[0]["code"], error.message)
    """)
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "content", tmp_path / "big"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stdout.startswith("disk-full no room for")
    assert files(tmp_path / "content") == []


def test_more_than_the_free_space_is_refused_before_it_is_written(store: ContentStore) -> None:
    with pytest.raises(NoCapacity, match="no room for an upload"):
        store.write_blob(sha(b"x"), 0, 1 << 60, b"x")
    assert files(store.root) == []


def test_what_is_opened_names_its_content(store: ContentStore, folder: Path, tmp_path: Path) -> None:
    kept = store.add(folder)
    assert store.holder(store.open(kept.digest, kept.name)) == kept.digest
    assert store.holder(store.path(kept.digest) / "anything") == kept.digest
    assert store.holder(tmp_path / "elsewhere") is None
