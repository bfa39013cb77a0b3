"""``http(s)://``: one file, taken up again where it broke off; an archive is unpacked."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
from dataclasses import asdict, dataclass
from email.message import Message
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mlserve.errors import NoCapacity
from mlserve.storage.archives import is_archive, unpack
from mlserve.storage.base import FetchOptions, Progress
from mlserve.storage.cache import key_of
from mlserve.storage.disk import require_space, size_text
from mlserve.storage.failure import failed
from mlserve.storage.fingerprint import READ_AT_MOST
from mlserve.storage.http_failures import broken, refused, web_page
from mlserve.storage.names import redacted, unsafe

if TYPE_CHECKING:
    import httpx

SCHEMES = ("http", "https")

_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_PACKED = {"application/zip": ".zip", "application/gzip": ".tar.gz", "application/x-gzip": ".tar.gz",
           "application/x-tar": ".tar", "application/x-bzip2": ".tar.bz2", "application/x-xz": ".tar.xz"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the server said about the file: enough to know it again when the transfer is taken up later."""

    name: str
    size: int | None
    mark: str
    """Its ETag or date; empty: another part may be of another file, so start over."""

    def key(self, uri: str) -> str:
        """What the cache calls the file; empty where nothing says for sure which one it is."""
        return key_of("http", uri, self.mark, self.size) if self.mark.startswith('"') else ""


def fetch(uri: str, dest: Path, options: FetchOptions, progress: Progress) -> Path:
    """Download the file; what has come stays beside ``dest`` when it breaks off, for the next call."""
    part = dest.parent / f"{dest.name}.part"
    try:
        answer = _download(uri, part, options, progress)
    except (OSError, NoCapacity):
        _forget(part)
        raise
    try:
        _refuse_stand_ins(uri, part, answer)
        _keep(uri, part, answer, options)
        if is_archive(answer.name):
            unpack(part, dest, options.limits, name=redacted(uri))
            return dest
        os.replace(part, dest / answer.name)
        return dest / answer.name
    finally:
        _forget(part)


def mark(uri: str, options: FetchOptions) -> str:
    """Its ETag or date, in one word; of a server that says neither the bytes, unless those are many."""
    import httpx

    try:
        with _client(options) as client, client.stream("GET", uri) as response:
            response.raise_for_status()
            told = [response.headers.get(name, "") for name in ("etag", "last-modified", "content-length")]
            if any(told[:2]):
                return f"etag:{_sha(' '.join(told))}"
            return _bytes_of(response)
    except httpx.HTTPStatusError as exc:
        raise refused(uri, exc.response) from exc
    except httpx.TransportError as exc:
        raise broken(uri, exc) from exc
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as exc:
        raise failed(uri, "invalid", str(exc), "check the address") from exc


def _bytes_of(response: httpx.Response) -> str:
    read, size = hashlib.sha256(), 0
    for chunk in response.iter_raw():
        read.update(chunk)
        size += len(chunk)
        if size > READ_AT_MOST:
            return ""
    return f"sha256:{read.hexdigest()}"


def _client(options: FetchOptions) -> httpx.Client:
    import httpx

    # httpx writes every address in full into its log, with the tokens that a signed one carries.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    timeout = httpx.Timeout(options.stall_seconds, connect=options.connect_seconds)
    return httpx.Client(timeout=timeout, follow_redirects=True, headers={"Accept-Encoding": "identity"})


def _download(uri: str, part: Path, options: FetchOptions, progress: Progress) -> _Answer:
    import httpx

    deadline = time.monotonic() + options.total_seconds

    def watch(done: int, total: int | None) -> None:
        progress(done, total)
        if done > options.limits.max_bytes:
            raise failed(
                uri, "too-large", f"it is larger than {size_text(options.limits.max_bytes)}", "check the address"
            )
        if time.monotonic() > deadline:
            raise failed(uri, "timeout", "it took longer than the time set for it", "use a nearer place")

    failure = failed(uri, "broken-off", "no try was allowed", "set tries to 1 or more")
    with _client(options) as client:
        for attempt in range(options.tries):
            time.sleep(min(2**attempt, 60) / 4 if attempt else 0)
            try:
                return _transfer(client, uri, part, watch, options)
            except httpx.HTTPStatusError as exc:
                failure = refused(uri, exc.response)
                if exc.response.status_code not in _AGAIN:
                    break
            except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as exc:
                failure = failed(uri, "invalid", str(exc), "check the address")
                break
            except httpx.TransportError as exc:
                failure = broken(uri, exc)
                code = failure.details[0]["code"]
                if code == "tls" or (code == "unreachable" and attempt):
                    break
    raise failure


def _transfer(client: httpx.Client, uri: str, part: Path, watch: Progress, options: FetchOptions) -> _Answer:
    known = _known(part, uri)
    start = part.stat().st_size if known and known.mark and part.exists() else 0
    headers = {"Range": f"bytes={start}-", "If-Range": known.mark} if known and start else {}
    with client.stream("GET", uri, headers=headers) as response:
        if response.status_code == 416 and known and start == known.size:
            return known
        if response.status_code == 416:
            _forget(part)
            return _transfer(client, uri, part, watch, options)
        response.raise_for_status()
        goes_on = response.status_code == 206
        answer = known if goes_on and known else _answer(uri, response)
        start = start if goes_on else 0
        if _taken(uri, part, answer, options):
            watch(answer.size or 0, answer.size)
            return answer
        _remember(part, uri, answer)
        _require_room(uri, part, (answer.size or 0) - start, options)
        _write(response, part, answer, start, watch)
    return answer


def _write(response: httpx.Response, part: Path, answer: _Answer, start: int, watch: Progress) -> None:
    import httpx

    done = start
    watch(done, answer.size)
    if not start:
        part.unlink(missing_ok=True)  # what is there may share its bytes with the cache
    with part.open("r+b" if start else "xb") as file:
        file.seek(start)
        for chunk in response.iter_raw():  # no chunk size: what came must not wait in a buffer when it breaks off
            file.write(chunk)
            done += len(chunk)
            watch(done, answer.size)
        file.flush()
        os.fsync(file.fileno())
    if answer.size is not None and done != answer.size:
        raise httpx.RemoteProtocolError(f"the connection ended after {done} of {answer.size} bytes")


def _taken(uri: str, part: Path, answer: _Answer, options: FetchOptions) -> bool:
    """Whether the very file was fetched before; then it is put in the place of the part."""
    if not (options.cache and answer.key(uri) and answer.size):
        return False
    return options.cache.take(answer.key(uri), answer.size, part, linked=options.linked)


def _keep(uri: str, part: Path, answer: _Answer, options: FetchOptions) -> None:
    if options.cache and answer.key(uri) and answer.size and not options.cache.has(answer.key(uri), answer.size):
        options.cache.add(part, answer.key(uri), linked=options.linked)
        options.cache.trim()


def _require_room(uri: str, part: Path, wanted: int, options: FetchOptions) -> None:
    if options.cache:
        options.cache.trim(room=wanted)
    require_space(part.parent, wanted, redacted(uri))


def _answer(uri: str, response: httpx.Response) -> _Answer:
    headers = response.headers
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    name = _name(headers.get("content-disposition", ""), str(response.url)) or _name("", uri) or "download"
    if not Path(name).suffix:
        name += _PACKED.get(kind, "")
    if kind == "text/html" and not name.endswith((".html", ".htm")):
        raise web_page(uri)
    size = headers.get("content-length", "")
    etag = headers.get("etag", "")
    mark = etag if etag and not etag.startswith("W/") else headers.get("last-modified", "")
    return _Answer(name, int(size) if size.isdigit() else None, mark)


def _name(disposition: str, url: str) -> str:
    message = Message()
    message["content-disposition"] = disposition
    found = message.get_filename() or unquote(urlsplit(url).path)
    name = re.split(r"[/\\]", found)[-1]
    return "" if name in (".", "..") or unsafe(name) else name


def _refuse_stand_ins(uri: str, part: Path, answer: _Answer) -> None:
    """A login page or a Git LFS pointer in place of the file is told apart here, not by the model's library later."""
    with part.open("rb") as file:
        first = file.read(200).lstrip().lower()
    if first.startswith((b"<!doctype html", b"<html")) and not answer.name.endswith((".html", ".htm")):
        raise web_page(uri)
    if first.startswith(b"version https://git-lfs"):
        raise failed(
            uri,
            "not-a-file",
            "this is a Git LFS pointer, not the file",
            "use the link to the file itself",
        )


def _known(part: Path, uri: str) -> _Answer | None:
    try:
        of, answer = json.loads(_memo(part).read_text())
        return _Answer(**answer) if of == _sha(uri) else None
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _remember(part: Path, uri: str, answer: _Answer) -> None:
    _memo(part).write_text(json.dumps([_sha(uri), asdict(answer)]))


def _sha(uri: str) -> str:
    return hashlib.sha256(uri.encode()).hexdigest()


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _memo(part).unlink(missing_ok=True)


def _memo(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")
