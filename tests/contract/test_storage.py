"""What every storage scheme does alike, against real servers and repositories on this machine."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.s3_server import free_ports, s3_client

from mlserve.errors import FetchFailed, InvalidInput, NoCapacity
from mlserve.storage import Cache, FetchOptions, Limits, fetch, mark

BIG = bytes(range(256)) * 8192  # 2 MB
QUICK = FetchOptions(connect_seconds=2, stall_seconds=2, tries=3)


@dataclass
class Origin:
    """A place to fetch from: puts files there, and says at which address they are."""

    put: Callable[[dict[str, bytes]], None]
    address: Callable[[str], str]
    options: FetchOptions = QUICK


def make_archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


# --- places ----------------------------------------------------------------------------------------------------------


@dataclass
class Web:
    """A real HTTP server with ranges, ETags, and whatever misbehaviour a test asks for."""

    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    """Break the next answers off after so many bytes."""
    statuses: list[int] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            web.requests.append((self.path, dict(self.headers)))
            data = web.files.get(unquote(self.path.partition("?")[0].lstrip("/")))
            status = web.statuses.pop(0) if web.statuses else 404 if data is None else 200
            if status != 200 or data is None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            etag, start = f'"{hashlib.sha256(data).hexdigest()[:16]}"', 0
            if (wanted := self.headers.get("Range")) and self.headers.get("If-Range") == etag:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(data) - start))
            self.send_header("ETag", etag)
            for name, value in web.headers.items():
                self.send_header(name, value)
            self.end_headers()
            end = web.cuts.pop(0) if web.cuts else len(data)
            self.wfile.write(data[start:end])
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        web.url = f"http://127.0.0.1:{server.server_port}"
        yield web
        server.shutdown()


@pytest.fixture
def repository(tmp_path: Path) -> Callable[..., str]:
    folder = tmp_path / "repository"

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "init.defaultBranch=main")
        done = subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    folder.mkdir()
    git("init", "--quiet")
    git("config", "uploadpack.allowFilter", "true")
    return git


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Origin:
    for name in [name for name in os.environ if name.startswith(("AWS_", "OSS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    client = s3_client(s3_endpoint)

    def put(files: dict[str, bytes]) -> None:
        for key, data in files.items():
            client.put_object(Bucket="models", Key=f"{tmp_path.name}/{key}", Body=data)

    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    options = FetchOptions(endpoint=s3_endpoint, credentials=keys, connect_seconds=2, stall_seconds=5)
    return Origin(put, lambda path: f"s3://models/{tmp_path.name}/{path}", options)


def hugging_face(web: Web, monkeypatch: pytest.MonkeyPatch) -> Origin:
    """A hub that has one model, with its listing and its files as the real one gives them."""
    monkeypatch.setenv("HF_ENDPOINT", web.url)

    def put(files: dict[str, bytes]) -> None:
        commit = hashlib.sha256(repr(files).encode()).hexdigest()[:8]
        listed = {"sha": commit, "siblings": [{"rfilename": name} for name in files]}
        web.files["api/models/org/name/revision/main"] = json.dumps(listed).encode()
        web.files.update({f"org/name/resolve/{commit}/{name}": data for name, data in files.items()})

    return Origin(put, lambda path: f"hf://org/name@main#{path}")


EVERY = ["file", "http", "git", "hf", "s3"]
WITH_FOLDERS = pytest.mark.parametrize("origin", ["file", "git", "hf", "s3"], indirect=True)
WITH_ARCHIVES = pytest.mark.parametrize("origin", ["file", "http", "s3"], indirect=True)  # git holds folders


@pytest.fixture(params=EVERY)
def origin(request: pytest.FixtureRequest, tmp_path: Path) -> Origin:
    if request.param == "http":
        web: Web = request.getfixturevalue("web")
        return Origin(web.files.update, lambda path: f"{web.url}/{path}")
    if request.param == "hf":
        return hugging_face(request.getfixturevalue("web"), request.getfixturevalue("monkeypatch"))
    if request.param == "s3":
        found: Origin = request.getfixturevalue("bucket")
        return found
    folder = tmp_path / ("repository" if request.param == "git" else "origin")
    git = request.getfixturevalue("repository") if request.param == "git" else None

    def put(files: dict[str, bytes]) -> None:
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        if git:
            git("add", "-A")
            git("commit", "--quiet", "-m", "files")

    if git:
        return Origin(put, lambda path: f"git+file://{folder}#{path}")
    return Origin(put, lambda path: f"file://{folder}/{path}")


# --- what all do -----------------------------------------------------------------------------------------------------


def test_one_file_is_fetched_whole(origin: Origin, tmp_path: Path) -> None:
    origin.put({"models/my model.bin": BIG, "other": b"x"})
    found = fetch(origin.address("models/my%20model.bin"), tmp_path / "dest", options=origin.options)
    assert found.name == "my model.bin"
    assert found.read_bytes() == BIG


def test_a_mark_is_another_one_once_the_files_are(origin: Origin) -> None:
    origin.put({"models/a": b"one"})
    address = origin.address("models/a")
    before = mark(address, origin.options)
    assert before
    assert mark(address, origin.options) == before
    origin.put({"models/a": b"two"})
    assert mark(address, origin.options) not in ("", before)


@WITH_FOLDERS
def test_a_mark_of_a_folder_tells_a_file_that_came(origin: Origin) -> None:
    origin.put({"models/a": b"one"})
    before = mark(origin.address("models"), origin.options)
    origin.put({"models/a": b"one", "models/b": b"two"})
    assert mark(origin.address("models"), origin.options) != before


@pytest.mark.parametrize("origin", ["http", "s3"], indirect=True)
def test_what_is_not_there_has_no_mark(origin: Origin) -> None:
    with pytest.raises(FetchFailed) as caught:
        mark(origin.address("nowhere"), origin.options)
    assert caught.value.details[0]["code"] == "missing"


@WITH_FOLDERS
def test_a_folder_is_fetched_with_all_below_it(origin: Origin, tmp_path: Path) -> None:
    origin.put({"models/1/a": b"a", "models/1/deep/b": b"b", "models/10/c": b"c"})
    found = fetch(origin.address("models/1"), tmp_path / "dest", options=origin.options)
    assert sorted(str(path.relative_to(found)) for path in found.rglob("*") if path.is_file()) == ["a", "deep/b"]


def test_what_is_not_there_is_named_and_leaves_nothing(origin: Origin, tmp_path: Path) -> None:
    origin.put({"there": b"x"})
    with pytest.raises(FetchFailed) as caught:
        fetch(origin.address("absent/model.bin"), tmp_path / "dest", options=origin.options)
    assert caught.value.details[0]["code"] == "missing"
    assert caught.value.hint
    assert not [path.name for path in tmp_path.iterdir() if "dest" in path.name]


@WITH_ARCHIVES
def test_an_archive_is_unpacked(origin: Origin, tmp_path: Path) -> None:
    origin.put({"model.tar.gz": make_archive({"model.onnx": b"onnx", "sub/labels.txt": b"cat"})})
    found = fetch(origin.address("model.tar.gz"), tmp_path / "dest", options=origin.options)
    assert found == tmp_path / "dest"
    assert (found / "sub/labels.txt").read_text() == "cat"
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".dest")]


@WITH_ARCHIVES
def test_an_evil_archive_is_refused_and_leaves_nothing(origin: Origin, tmp_path: Path) -> None:
    origin.put({"model.tar.gz": make_archive({"good": b"x", "../evil": b"x"})})
    with pytest.raises(FetchFailed) as caught:
        fetch(origin.address("model.tar.gz"), tmp_path / "dest", options=origin.options)
    assert caught.value.details[0]["code"] == "unsafe-archive"
    assert not [path.name for path in tmp_path.iterdir() if "dest" in path.name or "evil" in path.name]


def test_a_folder_that_is_not_empty_is_left_alone(origin: Origin, tmp_path: Path) -> None:
    (tmp_path / "dest").mkdir()
    (tmp_path / "dest" / "precious").touch()
    with pytest.raises(FetchFailed, match="is not empty"):
        fetch(origin.address("x"), tmp_path / "dest", options=origin.options)
    assert (tmp_path / "dest" / "precious").exists()


def test_an_unknown_scheme_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInput, match=r'no storage scheme "ftp".*schemes: content, file, git, hf, http, https, oss, s3'
    ):
        fetch("ftp://user:secret@host/x", tmp_path / "dest")


@pytest.mark.parametrize(
    "address",
    ["http://[x", "https://h:99999/m", "http:///m", "s3://", "s3:///key", "oss://b", "git+https://", "file:///nowhere",
     "http://127.0.0.1:1/\x00", "http://exa mple/m", "git+https://-oProxyCommand=x/r", "git+https://h/r@-x",
     "://", "", "x", "hf://", "hf://a/b/c", "hf://a/b@../x", "hf://a/b#../x"],
)  # fmt: skip
def test_a_malformed_address_is_an_error_of_ours(address: str, tmp_path: Path) -> None:
    with pytest.raises((InvalidInput, FetchFailed)) as caught:
        fetch(address, tmp_path / "dest", options=FetchOptions(connect_seconds=0.5, tries=1))
    assert caught.value.hint
    assert not list(tmp_path.iterdir())


# --- file ------------------------------------------------------------------------------------------------------------


def test_file_is_used_in_place(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"x")
    assert fetch(f"file://{tmp_path}/model.onnx", tmp_path / "dest") == tmp_path / "model.onnx"
    assert not (tmp_path / "dest").exists()


def test_file_needs_an_absolute_path(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="names no absolute path"):
        fetch("file://model.onnx", tmp_path / "dest")


# --- hf --------------------------------------------------------------------------------------------------------------


def test_hf_brings_what_serving_needs_at_one_commit(web: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    wanted = {"config.json": b"{}", "model.safetensors": BIG, "tokenizer.json": b"{}", "1_Pooling/config.json": b"{}"}
    others = dict.fromkeys(("pytorch_model.bin", "tf_model.h5", "onnx/model.onnx", ".gitattributes", "a.md"), b"x")
    hugging_face(web, monkeypatch).put({**wanted, **others})
    web.cuts = [1 << 20] * 4  # the fourth is the weights
    found = fetch("hf://org/name", tmp_path / "dest", options=QUICK)
    files = {str(path.relative_to(found)): path.read_bytes() for path in found.rglob("*") if path.is_file()}
    assert files == wanted
    assert all(headers["Authorization"] == "Bearer secret" for _, headers in web.requests)
    commit = json.loads(web.files["api/models/org/name/revision/main"])["sha"]
    assert all(f"/resolve/{commit}/" in path or path.startswith("/api/") for path, _ in web.requests)


def test_hf_brings_pickled_weights_where_there_are_no_others(
    web: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hugging_face(web, monkeypatch).put({"config.json": b"{}", "pytorch_model.bin": b"x"})
    found = fetch("hf://org/name@main", tmp_path / "dest", options=QUICK)
    assert {path.name for path in found.iterdir()} == {"config.json", "pytorch_model.bin"}


def test_hf_without_the_right_to_read_says_which_token(
    web: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hugging_face(web, monkeypatch)
    web.statuses = [401]
    with pytest.raises(FetchFailed) as caught:
        fetch("hf://org/gated", tmp_path / "dest", options=QUICK)
    assert caught.value.details[0]["code"] == "denied"
    assert "HF_TOKEN" in caught.value.hint


# --- http ------------------------------------------------------------------------------------------------------------


def test_http_marks_by_their_bytes_the_files_of_a_server_that_says_no_more(tmp_path: Path) -> None:
    class Silent(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(said[0])

        def log_message(self, *_: object) -> None:
            pass

    said = [b"one"]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/model"
        before = mark(address, QUICK)
        assert mark(address, QUICK) == before == f"sha256:{hashlib.sha256(b'one').hexdigest()}"
        said[0] = b"two"
        assert mark(address, QUICK) != before
        server.shutdown()


def test_http_takes_a_broken_transfer_up_where_it_ended(web: Web, tmp_path: Path) -> None:
    web.files["m.bin"], web.cuts = BIG, [500_000, 900_000]
    seen: list[tuple[int, int | None]] = []
    found = fetch(f"{web.url}/m.bin", tmp_path / "d", options=QUICK, progress=lambda *now: seen.append(now))
    assert found.read_bytes() == BIG
    assert [headers.get("Range") for _, headers in web.requests] == [None, "bytes=500000-", "bytes=900000-"]
    assert (seen[0], seen[-1]) == ((0, len(BIG)), (len(BIG), len(BIG)))


def test_http_goes_on_at_the_next_call(web: Web, tmp_path: Path) -> None:
    web.files["m.bin"], web.cuts = BIG, [100_000]
    with pytest.raises(FetchFailed) as caught:
        fetch(f"{web.url}/m.bin", tmp_path / "d", options=FetchOptions(tries=1))
    assert caught.value.details[0]["code"] == "broken-off"
    assert fetch(f"{web.url}/m.bin", tmp_path / "d", options=QUICK).read_bytes() == BIG
    assert web.requests[-1][1]["Range"] == "bytes=100000-"
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


@pytest.mark.parametrize("linked", [True, False])
def test_http_takes_what_came_before_from_the_cache(web: Web, tmp_path: Path, linked: bool) -> None:
    kept = replace(QUICK, cache=Cache(tmp_path / "cache"), linked=linked, tries=1)
    web.files["m.bin"] = BIG
    first = fetch(f"{web.url}/m.bin", tmp_path / "a", options=kept)
    assert first.read_bytes() == BIG
    web.cuts = [1000]
    seen: list[tuple[int, int | None]] = []
    found = fetch(f"{web.url}/m.bin", tmp_path / "b", options=kept, progress=lambda *now: seen.append(now))
    assert found.read_bytes() == BIG
    assert seen == [(len(BIG), len(BIG))]
    web.files["m.bin"], web.cuts = BIG[::-1], []
    assert fetch(f"{web.url}/m.bin", tmp_path / "c", options=kept).read_bytes() == BIG[::-1]
    assert found.read_bytes() == BIG
    assert {file.stat().st_nlink > 1 for file in (first, found)} == {linked}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c", "cache"]


def test_http_writes_nothing_into_what_the_cache_has(web: Web, tmp_path: Path) -> None:
    """A fetch that was killed once its file was kept has left it beside its place, with the bytes of the cache."""
    kept = replace(QUICK, cache=Cache(tmp_path / "cache"), linked=True)
    web.files["m.bin"] = BIG
    first = fetch(f"{web.url}/m.bin", tmp_path / "a", options=kept)
    os.link(first, tmp_path / ".b.fetching.part")
    web.files["m.bin"] = BIG[::-1]
    assert fetch(f"{web.url}/m.bin", tmp_path / "b", options=kept).read_bytes() == BIG[::-1]
    assert first.read_bytes() == BIG


def test_http_starts_over_when_the_file_changed_meanwhile(web: Web, tmp_path: Path) -> None:
    web.files["m.bin"], web.cuts = BIG, [100_000]
    with pytest.raises(FetchFailed):
        fetch(f"{web.url}/m.bin", tmp_path / "d", options=FetchOptions(tries=1))
    web.files["m.bin"] = BIG[::-1]
    assert fetch(f"{web.url}/m.bin", tmp_path / "d", options=QUICK).read_bytes() == BIG[::-1]


def test_http_tries_again_when_the_server_is_busy(web: Web, tmp_path: Path) -> None:
    web.files["m.bin"], web.statuses = b"x", [503, 429, 200]
    assert fetch(f"{web.url}/m.bin", tmp_path / "d", options=QUICK).read_bytes() == b"x"


@pytest.mark.parametrize(("status", "code"), [(401, "denied"), (403, "denied"), (404, "missing"), (500, "server")])
def test_http_names_a_refusal_without_the_secrets_of_the_address(
    web: Web, tmp_path: Path, status: int, code: str
) -> None:
    web.statuses = [status] * 9
    address = web.url.replace("//", "//user:hush@") + "/m.bin?X-Token=hush"
    with pytest.raises(FetchFailed) as caught:
        fetch(address, tmp_path / "d", options=QUICK)
    assert caught.value.details[0]["code"] == code
    assert "hush" not in str(caught.value.to_dict())
    assert web.requests[0][1]["Authorization"].startswith("Basic ")


def test_http_tells_a_web_page_from_a_file(web: Web, tmp_path: Path) -> None:
    web.files |= {"m.onnx": b"<!DOCTYPE html><title>Log in</title>", "p.zip": b"x"}
    with pytest.raises(FetchFailed, match="a web page came"):
        fetch(f"{web.url}/m.onnx", tmp_path / "d", options=QUICK)
    web.headers["Content-Type"] = "text/html; charset=utf-8"
    with pytest.raises(FetchFailed, match="a web page came"):
        fetch(f"{web.url}/p.zip", tmp_path / "d", options=QUICK)
    web.headers.clear()
    web.files["l.bin"] = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    with pytest.raises(FetchFailed, match="Git LFS pointer"):
        fetch(f"{web.url}/l.bin", tmp_path / "d", options=QUICK)


def test_http_takes_the_name_from_the_server_but_no_path(web: Web, tmp_path: Path) -> None:
    web.files["download"] = make_archive({"a": b"a"})
    web.headers["Content-Disposition"] = 'attachment; filename="../../model.tar.gz"'
    assert (fetch(f"{web.url}/download?id=5", tmp_path / "d", options=QUICK) / "a").read_bytes() == b"a"
    web.headers = {"Content-Type": "application/gzip"}
    assert (fetch(f"{web.url}/download", tmp_path / "e", options=QUICK) / "a").read_bytes() == b"a"


def test_http_says_when_nobody_answers(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(FetchFailed) as caught:
        fetch(f"http://127.0.0.1:{free_ports(1)[0]}/m", tmp_path / "d", options=QUICK)
    assert caught.value.details[0]["code"] == "unreachable"
    assert time.monotonic() - started < 10


def test_http_says_when_a_certificate_is_not_trusted(tmp_path: Path) -> None:
    import ssl

    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
            "-keyout", tmp_path / "k", "-out", tmp_path / "c"]  # fmt: skip
    if not shutil.which("openssl"):
        pytest.skip("needs openssl, to make a certificate")
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c", tmp_path / "k")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with pytest.raises(FetchFailed) as caught:
            fetch(f"https://127.0.0.1:{server.server_port}/m", tmp_path / "d", options=QUICK)
        server.shutdown()
    assert caught.value.details[0]["code"] == "tls"


def test_http_gives_up_on_a_server_that_says_nothing(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/m"
        with pytest.raises(FetchFailed) as caught:
            fetch(address, tmp_path / "d", options=FetchOptions(stall_seconds=0.2, tries=2))
    assert caught.value.details[0]["code"] == "timeout"


def test_http_refuses_more_than_the_disk_has(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web.files["m.bin"] = BIG
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(NoCapacity, match=r"it needs 2\.1 MB, 1\.0 kB are free"):
        fetch(f"{web.url}/m.bin", tmp_path / "d", options=QUICK)
    assert not list(tmp_path.iterdir())


def test_http_refuses_what_is_too_large(web: Web, tmp_path: Path) -> None:
    web.files["m.bin"] = BIG
    with pytest.raises(FetchFailed, match=r"larger than 1\.0 MB"):
        fetch(f"{web.url}/m.bin", tmp_path / "d", options=FetchOptions(limits=Limits(max_bytes=1_000_000)))


# --- git -------------------------------------------------------------------------------------------------------------


def test_git_takes_a_branch_a_tag_and_a_commit(repository: Callable[..., str], tmp_path: Path) -> None:
    place = tmp_path / "repository"
    for text in ("one", "two", "three"):
        (place / "model").mkdir(exist_ok=True)
        (place / "model" / "text").write_text(text)
        repository("add", "-A")
        repository("commit", "--quiet", "-m", text)
        if text == "one":
            repository("tag", "v1.0")
        if text == "two":
            repository("branch", "feature/x")
    first = repository("rev-parse", "v1.0")
    revisions = {"": "three", "@v1.0": "one", "@feature/x": "two", f"@{first}": "one", f"@{first[:9]}": "one"}
    for number, (revision, text) in enumerate(revisions.items()):
        found = fetch(f"git+file://{place}{revision}#model", tmp_path / str(number), options=QUICK)
        assert (found / "text").read_text() == text
        assert not (found / ".git").exists()


def test_git_names_what_is_wrong(repository: Callable[..., str], tmp_path: Path) -> None:
    place = tmp_path / "repository"
    (place / "f").write_text("x")
    (place / "out").symlink_to("/etc/passwd")
    repository("add", "-A")
    repository("commit", "--quiet", "-m", "f")
    wrong = {
        f"git+file://{place}@absent": "missing",
        f"git+file://{place}#absent": "missing",
        f"git+file://{tmp_path}/no-repository": "missing-repository",
        f"git+file://{place}@--upload-pack=touch": "invalid",
        f"git+file://{place}#../..": "invalid",
        f"git+ext://{place}": "invalid",
        f"git+file://{place}": "unsafe",
        f"git+http://127.0.0.1:{free_ports(1)[0]}/r.git": "unreachable",
    }
    codes = {}
    for address in wrong:
        with pytest.raises(FetchFailed) as caught:
            fetch(address, tmp_path / "d", options=QUICK)
        codes[address] = caught.value.details[0]["code"]
        assert not (tmp_path / "d").exists()
    assert codes == wrong


def test_git_takes_nothing_from_behind_a_link_that_leads_out_of_the_repository(
    repository: Callable[..., str], tmp_path: Path
) -> None:
    ours, place = tmp_path / "ours", tmp_path / "repository"
    (ours / "deep").mkdir(parents=True)
    (ours / "deep" / "key").write_text("hush")
    for name, target in {"folder": ours, "file": ours / "deep" / "key", "circle": "circle", "inside": "f"}.items():
        (place / name).symlink_to(target)
    (place / "f").write_text("x")
    repository("add", "-A")
    repository("commit", "--quiet", "-m", "links")
    for folder in ("folder", "folder/deep", "file", "circle", ".git"):
        with pytest.raises(FetchFailed) as caught:
            fetch(f"git+file://{place}#{folder}", tmp_path / "d", options=QUICK)
        assert caught.value.details[0]["code"] in ("unsafe", "missing")
        assert (ours / "deep" / "key").read_text() == "hush"
    found = fetch(f"git+file://{place}#inside", tmp_path / "d", options=QUICK)
    assert (found.name, found.read_text()) == ("inside", "x")


def test_git_keeps_the_password_to_itself(web: Web, tmp_path: Path) -> None:
    web.statuses = [401] * 9
    with pytest.raises(FetchFailed) as caught:
        fetch(web.url.replace("http://", "git+http://me:hush@") + "/r.git@main", tmp_path / "d", options=QUICK)
    assert caught.value.details[0]["code"] == "denied"
    assert "hush" not in str(caught.value.to_dict())
    assert web.requests[0][1]["Authorization"] == "Basic bWU6aHVzaA=="


def test_git_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchFailed, match="there is no git"):
        fetch("git+https://127.0.0.1/r.git", tmp_path / "d")


# --- s3 --------------------------------------------------------------------------------------------------------------


def test_s3_tells_its_errors_apart(bucket: Origin, tmp_path: Path) -> None:
    bucket.put({"m/a": b"a"})
    endpoint = bucket.options.endpoint
    poor = {"AWS_ACCESS_KEY_ID": "poor", "AWS_SECRET_ACCESS_KEY": "secret"}
    wrong = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "hush"}
    closed = f"http://127.0.0.1:{free_ports(1)[0]}"
    cases = [
        (bucket.address("absent"), bucket.options, "missing"),
        (bucket.address("absent/"), bucket.options, "missing"),
        ("s3://no-such-bucket-here/m", bucket.options, "missing-bucket"),
        (bucket.address("m/a"), FetchOptions(endpoint=endpoint), "no-credentials"),
        (bucket.address("m/a"), FetchOptions(endpoint=endpoint, credentials=poor), "denied"),
        (bucket.address("m/a"), FetchOptions(endpoint=endpoint, credentials=wrong), "denied"),
        (bucket.address("m/a"), FetchOptions(endpoint=closed, credentials=wrong), "unreachable"),
        ("oss://bucket/m", FetchOptions(credentials=wrong), "invalid"),
    ]
    for address, options, code in cases:
        started = time.monotonic()
        with pytest.raises(FetchFailed) as caught:
            fetch(address, tmp_path / "d", options=options)
        assert caught.value.details[0]["code"] == code, (address, caught.value)
        assert "hush" not in str(caught.value.to_dict())
        assert time.monotonic() - started < 15


def test_oss_is_the_same_with_its_own_words(bucket: Origin, tmp_path: Path) -> None:
    bucket.put({"m/a": b"a"})
    keys = {"OSS_ACCESS_KEY_ID": "key", "OSS_ACCESS_KEY_SECRET": "secret"}
    options = FetchOptions(endpoint=bucket.options.endpoint, credentials=keys)
    found = fetch(bucket.address("m/").replace("s3:", "oss:"), tmp_path / "d", options=options)
    assert (found / "a").read_bytes() == b"a"
