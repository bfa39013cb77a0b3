"""``git+https://host/repo.git@rev#sub/dir``: one revision of a repository, or a folder of it, without its history."""

from __future__ import annotations

import base64
import errno
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from mlserve.errors import FetchFailed
from mlserve.storage.base import FetchOptions, Progress
from mlserve.storage.failure import failed
from mlserve.storage.names import redacted, unsafe
from mlserve.storage.placing import leads_inside

SCHEMES = ("git",)

_TRANSPORTS = ("https", "http", "ssh", "file")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/@+^~-]*")
_CALM = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.ext.allow=never",
    "-c", "credential.interactive=false", "-c", "advice.detachedHead=false",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Address:
    """Where, which revision, which folder of it; the password apart from the rest."""

    url: str
    revision: str
    folder: str
    login: str


def fetch(uri: str, dest: Path, options: FetchOptions, progress: Progress) -> Path:
    """Check the revision out, and keep the named folder (or file) of it, without ``.git``."""
    address, clone = _parse(uri), dest / ".mlserve-clone"
    if not shutil.which("git"):
        raise failed(uri, "missing-program", "there is no git on the hub's machine", "install git, or use an archive")
    git = _Git(uri, address, clone, options)
    git.run("init", "--quiet", str(clone), inside=False)
    git.checkout()
    shutil.rmtree(clone / ".git")
    wanted = clone / address.folder
    if not wanted.exists():
        raise failed(uri, "missing", f"there is no {address.folder!r} in it", "after # comes a path in the repository")
    _refuse_surprises(uri, clone, wanted)
    if wanted.is_file():
        os.rename(wanted.resolve(), dest / wanted.name)
        shutil.rmtree(clone)
        return dest / wanted.name
    for item in list(wanted.iterdir()):
        os.rename(item, dest / item.name)
    shutil.rmtree(clone)
    return dest


def mark(uri: str, options: FetchOptions) -> str:
    """The commit that a branch or tag is at; of a commit, itself."""
    address = _parse(uri)
    if not shutil.which("git"):
        return ""
    told = _Git(uri, address, Path(), options).run("ls-remote", "--", address.url, address.revision, inside=False)
    return f"git:{' '.join(sorted(line.split()[0] for line in told.splitlines() if line.strip())) or address.revision}"


class _Git:
    """The git program: never asks, never runs what a repository brings along, gives up on a stalled line."""

    def __init__(self, uri: str, address: _Address, clone: Path, options: FetchOptions) -> None:
        self.uri, self.address, self.clone, self.options = uri, address, clone, options
        self.environment = {
            **os.environ,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "GIT_ALLOW_PROTOCOL": ":".join(_TRANSPORTS),
            "GIT_HTTP_LOW_SPEED_LIMIT": "100",
            "GIT_HTTP_LOW_SPEED_TIME": str(int(options.stall_seconds)),
            "LC_ALL": "C",
        }
        self.environment.setdefault(
            "GIT_SSH_COMMAND", f"ssh -oBatchMode=yes -oConnectTimeout={options.connect_seconds:.0f}"
        )
        if address.login:  # in the environment, not on a command line that others can see
            token = base64.b64encode(address.login.encode()).decode()
            self.environment |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "http.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: Basic {token}",
            }

    def checkout(self) -> None:
        """Fetch as little as the server allows: servers don't hand out a shortened commit, so then all of it."""
        url, revision = self.address.url, self.address.revision
        try:
            self.run("fetch", "--quiet", "--depth=1", "--no-tags", "--", url, revision)
            self.run("checkout", "--quiet", "--detach", "FETCH_HEAD")
        except FetchFailed as exc:
            if exc.details[0]["code"] != "missing" or revision == "HEAD":
                raise
            self.run("fetch", "--quiet", "--tags", "--", url, "+refs/heads/*:refs/remotes/origin/*")
            self.run("checkout", "--quiet", "--detach", revision, "--")

    def run(self, *arguments: str, inside: bool = True) -> str:
        """What it printed; raises FetchFailed with what git said, or OSError on a full disk."""
        command = ["git", *_CALM, *(("-C", str(self.clone)) if inside else ()), *arguments]
        try:
            done = subprocess.run(
                command, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                errors="replace", timeout=self.options.total_seconds, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as exc:
            raise failed(self.uri, "timeout", "it took longer than the time set for it", "use an archive") from exc
        if done.returncode:
            raise self._explained(done.stderr)
        return done.stdout

    def _explained(self, said: str) -> FetchFailed:
        lines = [line for line in said.replace(self.address.url, redacted(self.uri)).splitlines() if line.strip()]
        why = next((line for line in lines if line.startswith(("fatal:", "error:", "remote:"))), "git failed")
        text = said.lower()
        if "no space left" in text or "disk quota" in text:
            raise OSError(errno.ENOSPC, why)
        for code, signs, hint in _KNOWN:
            if any(sign in text for sign in signs):
                return failed(self.uri, code, why, hint)
        return failed(self.uri, "git", " / ".join(lines[-3:]), "try the same with git clone")


_KNOWN = (
    (
        "denied",
        ("authentication failed", "could not read username", "permission denied", "error: 403", "error: 401"),
        "put user:token@ into the address, or set up git's credential helper on the hub's machine",
    ),
    (
        "missing",
        (
            "find remote ref",
            "did not match any",
            "not our ref",
            "unadvertised object",
            "invalid reference",
            "not a tree",
        ),
        "is the branch, tag or commit after @ right?",
    ),
    ("missing-repository", ("not found", "does not exist", "not appear to be a git repository"), "check the address"),
    ("tls", ("certificate", "ssl"), "GIT_SSL_CAINFO may name the authority's file"),
    (
        "unreachable",
        ("could not resolve", "failed to connect", "couldn't connect", "timed out", "unable to access", "refused"),
        "check host name, network and proxy",
    ),
)


def _parse(uri: str) -> _Address:
    parts = urlsplit(uri)
    transport = parts.scheme.partition("+")[2]
    if transport not in _TRANSPORTS:
        raise failed(
            uri, "invalid", f'no transport "{transport}"', "write git+https://host/repository.git@revision#folder"
        )
    path, at, revision = parts.path.rpartition("@")
    if not at:
        path, revision = parts.path, "HEAD"
    folder = unquote(parts.fragment).removeprefix("subdirectory=").strip("/")
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise failed(uri, "invalid", f"{revision[:80]!r} is no revision", "after @ comes a branch, a tag or a commit")
    if folder and (why := unsafe(folder)):
        raise failed(uri, "invalid", f"after # there is {why}", "after # comes a path in the repository")
    login, host = "", parts.netloc
    if transport in ("http", "https"):
        login, _, host = parts.netloc.rpartition("@")
    if host.startswith("-"):
        raise failed(uri, "invalid", "a host does not begin with -", "check the address")
    return _Address(urlunsplit((transport, host, path, parts.query, "")), revision, folder, unquote(login))


def _refuse_surprises(uri: str, clone: Path, wanted: Path) -> None:
    if not leads_inside(wanted, clone):  # what lies there is the machine's own, and would be taken away
        name = wanted.relative_to(clone)
        raise failed(uri, "unsafe", f"{name} is behind a link that leads outside", "put the files themselves there")
    for item in wanted.rglob("*"):
        name = item.relative_to(wanted)
        if item.is_symlink() and not leads_inside(item, wanted):
            raise failed(uri, "unsafe", f"{name} is a link that leads outside", "put the file itself there")
        if item.is_file() and item.stat().st_size < 1000 and item.read_bytes().startswith(b"version https://git-lfs"):
            raise failed(uri, "not-a-file", f"{name} is in Git LFS", "install git-lfs on the hub's machine")
