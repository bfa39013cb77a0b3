"""What a mount names is brought to the hub: buckets, revisions of repositories, and a bucket with nothing in it yet."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest
from tests.s3_server import s3_client

from mlserve.descriptor.mounting import Source
from mlserve.errors import FetchFailed
from mlserve.hub.fetching import unheard
from mlserve.hub.prepare import Preparer
from mlserve.hub.records import Prepared, Version
from mlserve.storage import ContentStore

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
VERSION = Version("iris", 1, 0.0, {})


def preparer(home: Path) -> Preparer:
    return Preparer(home, ContentStore(home / "content"), credentials=lambda _: CREDENTIALS)


def located(made: Preparer, source: Source) -> Path:
    return asyncio.run(made.locate_mount(VERSION, "/storage/0/s3/path", source, unheard))


def files(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_a_folder_of_a_bucket_is_kept_as_it_was(s3_endpoint: str, tmp_path: Path) -> None:
    for key, text in {"in/a": "1", "in/deep/b": "2", "inside": "not in it", "in.zip": "nor this"}.items():
        s3_client(s3_endpoint).put_object(Bucket="models", Key=f"mounted/{key}", Body=text.encode())
    made = preparer(tmp_path)
    found = located(made, Source("s3://models/mounted/in/", s3_endpoint, False))
    assert files(found) == {"a": "1", "deep/b": "2"}
    s3_client(s3_endpoint).put_object(Bucket="models", Key="mounted/in/a", Body=b"3")
    assert files(found) == {"a": "1", "deep/b": "2"}
    other = located(made, Source("s3://models/mounted/in/", s3_endpoint, False))
    assert files(other) == {"a": "3", "deep/b": "2"}


def test_only_what_is_written_to_may_be_empty_at_first(s3_endpoint: str, tmp_path: Path) -> None:
    made = preparer(tmp_path)
    assert files(located(made, Source("s3://models/not-there/", s3_endpoint, True))) == {}
    with pytest.raises(FetchFailed, match="no prefix"):
        located(made, Source("s3://models/not-there/", s3_endpoint, False))
    with pytest.raises(FetchFailed, match="no bucket"):
        located(made, Source("s3://no-such-bucket/not-there/", s3_endpoint, True))


def test_a_revision_of_a_repository_stays_what_it_was(tmp_path: Path) -> None:
    """By its own folder, since a server with a certificate takes more than a test: only descriptors insist on https."""
    folder = tmp_path / "repository"
    folder.mkdir()

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main")
        done = subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "--quiet")
    for text in ("one", "two"):
        (folder / "app.py").write_text(text)
        git("add", "app.py")
        git("commit", "--quiet", "-m", text)
    before = git("rev-parse", "HEAD~1")
    made = preparer(tmp_path / "home")
    assert files(located(made, Source(f"git+file://{folder}@{before}", None, False))) == {"app.py": "one"}
    newest = located(made, Source(f"git+file://{folder}", None, False))
    assert files(newest) == {"app.py": "two"}
    kept = Prepared("", paths={"/storage/0/git/repo": str(newest)})
    made.sweep([Version("iris", 1, 0.0, {}, prepared=kept)])
    assert files(newest) == {"app.py": "two"}
