"""Files and folders that a descriptor mounts into its instances: ``storage[]``."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema

from mlserve.descriptor.base import Text, Words
from mlserve.descriptor.units import Amount

SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a place in an instance, where programs look for shared memory
_KEPT_FREE = ("/proc", "/sys", "/dev", "/mlserve", "/run/secrets", "/var/run/secrets")
_SERVER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]*|\[[0-9A-Fa-f:.]+\]")


def _place(value: str) -> str:
    """A folder inside the instance, written one way."""
    path = _absolute(value)
    if path == "/":
        raise ValueError("is the whole file system: name a folder")
    if path != SHARED_MEMORY and any(path == kept or path.startswith(f"{kept}/") for kept in _KEPT_FREE):
        raise ValueError(f"is kept for the system or for mlserve itself ({', '.join(_KEPT_FREE)})")
    return path


def _absolute(value: str) -> str:
    parts = value.split("/")
    if not value.startswith("/") or ".." in parts or any(ord(letter) < 32 for letter in value):
        raise ValueError("has to be an absolute path without ..")
    return "/" + "/".join(part for part in parts if part not in ("", "."))


def _bucket(scheme: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.match(rf"{scheme}://[^/\s]+", value):
            message = f"has to be {scheme}://bucket/folder; files of your own machine go up with mlserve upload"
            raise ValueError(message)
        return value

    return AfterValidator(check)


def _server(value: str) -> str:
    if not _SERVER.fullmatch(value):
        raise ValueError("has to be the server's name or address")
    return value


def _repository(value: str) -> str:
    if not re.fullmatch(r"https://[^/\s]+/\S+", value):
        raise ValueError("has to be https://host/repository.git; files of your own machine are processor_path")
    return value


def _commit(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[0-9a-fA-F]{4,64}", value):
        raise ValueError("has to be the hexadecimal name of a commit")
    return value


def _unset(value: Any) -> Any:
    return None if value == "" else value


def _both_spellings(schema: dict[str, Any]) -> None:
    schema["properties"]["read_only"] = {"type": "boolean", "description": "readOnly, as other sources spell it."}


class Changeable(Words):
    """What the program may write to unless the descriptor forbids it."""

    model_config = ConfigDict(json_schema_extra=_both_spellings)

    read_only: bool = Field(default=False, alias="readOnly")
    """The program can't change the files. (EAS's default is false)"""


class Oss(Changeable):
    """A folder of an OSS bucket."""

    path: Annotated[str, _bucket("oss")] = Field(max_length=4096)
    """``oss://bucket/folder``."""
    endpoint: Text = None
    """The bucket's endpoint; unset: oss_endpoint."""


class S3(Changeable):
    """A folder of a bucket of S3 or of a service that speaks its protocol."""

    path: Annotated[str, _bucket("s3")] = Field(max_length=4096)
    """``s3://bucket/folder``."""
    endpoint: Text = None
    """The service's endpoint; unset: oss_endpoint, else the hub's AWS variables."""


class Nfs(Changeable):
    """A folder of an NFS server."""

    server: Annotated[str, AfterValidator(_server)] = Field(max_length=255)
    """The server's name or address, as the machine that runs the instance reaches it."""
    path: Annotated[str, AfterValidator(_absolute)] = "/"
    """The exported folder."""
    resource_group: Text = Field(default=None, alias="resourceGroup")
    """Accepted and not applied: resource groups of a cloud account have no meaning here."""


class Git(Words):
    """A revision of a Git repository, without its history; never written back."""

    repo: Annotated[str, AfterValidator(_repository)] = Field(max_length=4096)
    """``https://host/repository.git``."""
    branch: Text = None
    """A branch or tag; unset: the repository's own default."""
    commit: Annotated[Text, AfterValidator(_commit)] = None
    """A commit, which wins over the branch."""
    username: Text = None
    password: Text = Field(default=None, repr=False)
    """A password or access token."""


class ImageFiles(Words):
    """A folder of another image, copied out of it."""

    image: str = Field(min_length=1, max_length=4096, pattern=r"^[^\s!-][^\s!]*$")
    """The image's address."""
    path: Annotated[str, AfterValidator(_absolute)]
    """The folder in it."""


class EmptyDir(Words):
    """An empty folder of each instance."""

    medium: Annotated[
        Literal["memory"] | None, BeforeValidator(_unset), WithJsonSchema({"enum": ["memory", "", None]})
    ] = None
    """``memory``, or unset for a disk: what is there outlives a crash of the program, not the instance."""
    size_limit: Amount | None = Field(default=None, gt=0, le=4096)
    """GB, of a folder in memory."""


class Properties(Words):
    """What EAS wants to know of the files."""

    resource_type: Text = None
    """Accepted and not applied: files are mounted the same way, whatever they are."""


class Storage(Words):
    """Files put into each instance: one source and where they go."""

    mount_path: Annotated[str, AfterValidator(_place)] = Field(max_length=4096)
    """An absolute path in the instance."""
    oss: Oss | None = None
    s3: S3 | None = None
    nfs: Nfs | None = None
    git: Git | None = None
    image: ImageFiles | None = None
    empty_dir: EmptyDir | None = None
    dataset: dict[str, Any] | None = None
    """Refused: name the folder of its bucket with oss."""
    code: dict[str, Any] | None = None
    """Refused: name its repository with git."""
    properties: Properties = Properties()
