"""``hf://org/name@revision#folder``: a model of the Hugging Face hub, or of HF_ENDPOINT; what serving needs of it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from mlserve.errors import FetchFailed
from mlserve.storage.base import FetchOptions, Progress
from mlserve.storage.disk import size_text
from mlserve.storage.failure import failed
from mlserve.storage.names import unsafe

if TYPE_CHECKING:
    import httpx

SCHEMES = ("hf",)

_ADDRESS = re.compile(r"hf://(?P<name>[\w.-]+(?:/[\w.-]+)?)(?:@(?P<revision>[\w./-]+))?(?:#(?P<folder>.+))?")
_OTHERS = {".h5", ".msgpack", ".ot", ".onnx", ".tflite", ".ckpt", ".gguf", ".mlmodel", ".md", ".png", ".jpg", ".gif"}
"""Weights of other frameworks, and what people look at."""
_PICKLES = {".bin", ".pt", ".pth"}
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_DEFAULT = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class _Repository:
    uri: str
    name: str
    revision: str
    folder: str
    endpoint: str

    @property
    def prefix(self) -> str:
        return f"{self.folder}/" if self.folder else ""

    def listing(self) -> str:
        return f"{self.endpoint}/api/models/{quote(self.name)}/revision/{quote(self.revision, safe='')}"

    def file(self, commit: str, path: str) -> str:
        return f"{self.endpoint}/{quote(self.name)}/resolve/{quote(commit, safe='')}/{quote(path)}"


def fetch(uri: str, dest: Path, options: FetchOptions, progress: Progress) -> Path:
    """Bring the files of one revision; where there are safetensors, no pickled weights."""
    repository = _parse(uri)
    with _client(options) as client:
        about = _told(_get(client, repository, repository.listing(), options), repository)
        commit = str(about.get("sha") or repository.revision)
        names = _names(about)
        one = repository.folder in names
        wanted = [repository.folder] if one else _wanted(names, repository)
        if not wanted:
            raise failed(uri, "missing", "there are no files of that name in it", "check what is after #")
        if len(wanted) > options.limits.max_files:
            raise failed(uri, "too-large", f"it has {len(wanted)} files", "name a folder of it after #")
        done = 0
        for name in wanted:
            place = dest / (Path(name).name if one else name.removeprefix(repository.prefix))
            place.parent.mkdir(parents=True, exist_ok=True)
            done += _download(client, repository, repository.file(commit, name), place, options, progress, done)
    return place if one else dest


def mark(uri: str, options: FetchOptions) -> str:
    """The commit that the revision is at."""
    repository = _parse(uri)
    with _client(options) as client:
        about = _told(_get(client, repository, repository.listing(), options), repository)
    return f"git:{about['sha']}" if about.get("sha") else ""


def _client(options: FetchOptions) -> httpx.Client:
    import httpx

    token = os.environ.get("HF_TOKEN", "")
    timeout = httpx.Timeout(options.stall_seconds, connect=options.connect_seconds)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(timeout=timeout, follow_redirects=True, headers=headers)


def _parse(uri: str) -> _Repository:
    found = _ADDRESS.fullmatch(uri)
    revision, folder = (found["revision"] or "main", unquote(found["folder"] or "").strip("/")) if found else ("", "")
    if found is None or ".." in revision or ".." in found["name"] or (folder and unsafe(folder)):
        raise failed(uri, "invalid", "it is no address of a model", "write hf://organisation/model@revision")
    return _Repository(uri, found["name"], revision, folder, os.environ.get("HF_ENDPOINT", _DEFAULT).rstrip("/"))


def _told(response: httpx.Response, repository: _Repository) -> dict[str, Any]:
    try:
        about = response.json()
    except ValueError as exc:
        raise failed(repository.uri, "invalid", "the hub's answer is not JSON", "check HF_ENDPOINT") from exc
    return about if isinstance(about, dict) else {}


def _names(about: dict[str, Any]) -> list[str]:
    listed = about.get("siblings")
    names = [item.get("rfilename") for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    return [name for name in names if isinstance(name, str) and not unsafe(name)]


def _wanted(names: Iterable[str], repository: _Repository) -> list[str]:
    """The files of the folder, without dot files and what serving doesn't read."""
    inside = [PurePosixPath(name) for name in names if name.startswith(repository.prefix)]
    kept = [path for path in inside if path.suffix not in _OTHERS and not path.name.startswith(".")]
    safe = any(path.suffix == ".safetensors" for path in kept)
    return sorted(str(path) for path in kept if not (safe and path.suffix in _PICKLES))


def _get(client: httpx.Client, repository: _Repository, url: str, options: FetchOptions) -> httpx.Response:
    import httpx

    failure = failed(repository.uri, "broken-off", "no try was allowed", "set tries to 1 or more")
    for attempt in range(options.tries):
        time.sleep(min(2**attempt, 60) / 4 if attempt else 0)
        try:
            response = client.get(url)
        except httpx.TransportError as exc:
            failure = _unreachable(repository, exc)
            continue
        if response.status_code < 400:
            return response
        failure = _refused(repository, response.status_code)
        if response.status_code not in _AGAIN:
            break
    raise failure


def _download(
    client: httpx.Client, repository: _Repository, url: str, place: Path, options: FetchOptions,
    progress: Progress, before: int,
) -> int:  # fmt: skip
    """The bytes of one file, taken up again where it broke off."""
    import httpx

    failure = failed(repository.uri, "broken-off", "no try was allowed", "set tries to 1 or more")
    for attempt in range(options.tries):
        time.sleep(min(2**attempt, 60) / 4 if attempt else 0)
        have = place.stat().st_size if place.exists() else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        try:
            with client.stream("GET", url, headers={**headers, "Accept-Encoding": "identity"}) as response:
                if response.status_code >= 400 and not (response.status_code == 416 and have):
                    failure = _refused(repository, response.status_code)
                    if response.status_code in _AGAIN:
                        continue
                    raise failure
                have = have if response.status_code == 206 else 0
                return _written(
                    response, place, have, lambda done: _watched(repository, options, progress, before + done)
                )
        except httpx.TransportError as exc:
            failure = _unreachable(repository, exc)
    raise failure


def _written(response: httpx.Response, place: Path, have: int, watch: Any) -> int:
    import httpx

    if response.status_code == 416:  # all of it had come
        return place.stat().st_size
    wanted = int(response.headers.get("content-length") or -1)
    done = have
    with place.open("r+b" if have else "wb") as file:
        file.seek(have)
        for chunk in response.iter_raw():
            file.write(chunk)
            done += len(chunk)
            watch(done)
        file.flush()
        os.fsync(file.fileno())
    if wanted >= 0 and done - have != wanted:
        raise httpx.RemoteProtocolError(f"the connection ended after {done - have} of {wanted} bytes")
    return done


def _watched(repository: _Repository, options: FetchOptions, progress: Progress, done: int) -> None:
    progress(done, None)
    if done > options.limits.max_bytes:
        most = size_text(options.limits.max_bytes)
        raise failed(repository.uri, "too-large", f"it is larger than {most}", "name a folder of it after #")


def _refused(repository: _Repository, status: int) -> FetchFailed:
    if status in (401, 403):
        return failed(
            repository.uri, "denied", f"the hub answered {status}", "set HF_TOKEN to a token that may read the model"
        )
    if status == 404:
        return failed(
            repository.uri, "missing", "there is no such model or revision", "check the name and what is after @"
        )
    return failed(repository.uri, "server", f"the hub answered {status}", "try again later")


def _unreachable(repository: _Repository, exc: Exception) -> FetchFailed:
    return failed(
        repository.uri, "unreachable", f"{repository.endpoint}: {exc}",
        "check the network; HF_ENDPOINT may name a mirror, and a folder on this machine needs no network",
    )  # fmt: skip
