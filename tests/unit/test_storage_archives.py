"""Archives of strangers: what is honest comes out whole, what is not leaves nothing behind."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from mlserve.errors import FetchFailed
from mlserve.storage.archives import is_archive, unpack
from mlserve.storage.base import Limits

SMALL = Limits(max_files=20, max_bytes=1 << 30, max_ratio=50, ratio_from=100_000)


def tar_of(path: Path, members: list[tarfile.TarInfo], mode: str = "w:gz", data: bytes = b"data") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for member in members:
            member.size = len(data) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(data) if member.isreg() else None)
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, mode
    return info


def refused(archive: Path, dest: Path, code: str, limits: Limits = SMALL) -> str:
    with pytest.raises(FetchFailed) as caught:
        unpack(archive, dest, limits)
    assert caught.value.details[0]["code"] == code, caught.value
    assert not list(dest.iterdir())
    return caught.value.message


TARS = [("tar", "w:"), ("tar.gz", "w:gz"), ("tgz", "w:gz"), ("tar.bz2", "w:bz2"), ("tar.xz", "w:xz")]


@pytest.mark.parametrize(("suffix", "mode"), TARS)
def test_each_tar_is_unpacked(tmp_path: Path, suffix: str, mode: str) -> None:
    members = [
        member("d", tarfile.DIRTYPE), member("d/run", mode=0o4755), member("./d/file"),
        member("link", tarfile.SYMTYPE, "d/file"), member("twin", tarfile.LNKTYPE, "d/run"),
    ]  # fmt: skip
    archive = tar_of(tmp_path / f"a.{suffix}", members, mode)
    assert is_archive(archive.name)
    unpack(archive, tmp_path / "out", SMALL)
    assert (tmp_path / "out/d/file").read_bytes() == b"data"
    assert (tmp_path / "out/link").read_bytes() == b"data"
    assert (tmp_path / "out/twin").read_bytes() == b"data"
    assert stat.S_IMODE((tmp_path / "out/d/run").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "out/d/file").stat().st_mode) == 0o644


def test_a_zip_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("d/file", "data")
        run = zipfile.ZipInfo("run")
        run.external_attr = (stat.S_IFREG | 0o755) << 16
        archive.writestr(run, "data")
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "d/file")
    unpack(tmp_path / "a.zip", tmp_path / "out", SMALL)
    assert (tmp_path / "out/link").read_text() == "data"
    assert os.access(tmp_path / "out/run", os.X_OK)


def test_a_tar_with_a_zip_at_its_end_is_a_tar(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("inner", "x")
    tar_of(tmp_path / "a.tar", [member("inner.zip")], "w:", inner.getvalue())
    unpack(tmp_path / "a.tar", tmp_path / "out", SMALL)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["inner.zip"]


def test_what_tar_itself_packs_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / ("long" * 60)).write_text("x")
    subprocess.run(["tar", "czf", tmp_path / "a.tgz", "-C", tmp_path, "model"], check=True)
    unpack(tmp_path / "a.tgz", tmp_path / "out", SMALL)
    assert (tmp_path / "out/model" / ("long" * 60)).read_text() == "x"


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (member("/etc/cron.d/x"), "an absolute path"),
        (member("../x"), '".."'),
        (member("a/../../x"), '".."'),
        (member("x", tarfile.SYMTYPE, "/etc/passwd"), "leads outside"),
        (member("x", tarfile.SYMTYPE, "../x"), "leads outside"),
        (member("x", tarfile.LNKTYPE, "/etc/passwd"), "absolute"),
        (member("x", tarfile.LNKTYPE, "absent"), "not in it"),
        (member("x", tarfile.CHRTYPE), "neither a file nor a folder"),
        (member("x", tarfile.FIFOTYPE), "neither a file nor a folder"),
    ],
)  # fmt: skip
def test_a_tar_that_leaves_its_folder_is_refused(tmp_path: Path, bad: tarfile.TarInfo, why: str) -> None:
    archive = tar_of(tmp_path / "a.tar.gz", [member("good"), bad])
    assert why in refused(archive, tmp_path / "out", "unsafe-archive")


def test_links_through_links_are_refused(tmp_path: Path) -> None:
    chain = [
        member("d", tarfile.DIRTYPE),
        member("d/up", tarfile.SYMTYPE, ".."),
        member("out", tarfile.SYMTYPE, "d/up/../.."),
    ]
    refused(tar_of(tmp_path / "a.tar.gz", chain), tmp_path / "out", "unsafe-archive")
    circle = [member("f"), member("a", tarfile.SYMTYPE, "b"), member("b", tarfile.SYMTYPE, "a")]
    assert "in a circle" in refused(tar_of(tmp_path / "c.tar.gz", circle), tmp_path / "out", "unsafe-archive")
    through = [member("l", tarfile.SYMTYPE, "d"), member("l/file")]
    refused(tar_of(tmp_path / "b.tar.gz", through), tmp_path / "out", "bad-archive")


@pytest.mark.parametrize("name", ["../x", "/x", "C:/x", "..\\x"])
def test_a_zip_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("good", "data")
        archive.writestr(name, "data")
    refused(tmp_path / "a.zip", tmp_path / "out", "unsafe-archive")


def test_bombs_are_refused_before_they_fill_the_disk(tmp_path: Path) -> None:
    zeros = tar_of(tmp_path / "a.tar.gz", [member("zeros")], data=bytes(20_000_000))
    assert "unpacks to more than" in refused(zeros, tmp_path / "out", "too-large")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(20_000_000))
    assert "unpacks to more than" in refused(tmp_path / "a.zip", tmp_path / "out", "too-large")
    many = tar_of(tmp_path / "b.tar.gz", [member(f"{number}") for number in range(30)])
    assert "more than 20 files" in refused(many, tmp_path / "out", "too-large")


def test_a_header_that_claims_gigabytes_is_refused(tmp_path: Path) -> None:
    header = member("huge", tarfile.XHDTYPE)
    header.size = 4 << 30
    (tmp_path / "a.tar").write_bytes(header.tobuf(tarfile.USTAR_FORMAT) + bytes(4096))
    assert "larger than any honest one" in refused(tmp_path / "a.tar", tmp_path / "out", "too-large")


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.bz2", "tar.xz"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.8])
def test_a_cut_tar_is_damaged(tmp_path: Path, suffix: str, kept: float) -> None:
    mode = f"w:{suffix.partition('.')[2]}"
    whole = tar_of(tmp_path / f"a.{suffix}", [member("a"), member("b")], mode, os.urandom(30_000))
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * kept)])
    assert "can't be unpacked" in refused(cut, tmp_path / "out", "bad-archive")


def test_what_is_no_archive_or_has_nothing_in_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_text("<html>please log in</html>")
    refused(tmp_path / "a.tar.gz", tmp_path / "out", "bad-archive")
    (tmp_path / "b.zip").write_bytes(b"")
    refused(tmp_path / "b.zip", tmp_path / "out", "bad-archive")
    assert "nothing in it" in refused(tar_of(tmp_path / "c.tar", [], "w:"), tmp_path / "out", "bad-archive")


def test_a_damaged_or_encrypted_zip_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("file", "honest data")
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(data.replace(b"honest data", b"changed one"))
    refused(tmp_path / "a.zip", tmp_path / "out", "bad-archive")
    locked = bytearray(data)
    locked[6] |= 1
    locked[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "b.zip").write_bytes(locked)
    assert "encrypted" in refused(tmp_path / "b.zip", tmp_path / "out", "bad-archive")
