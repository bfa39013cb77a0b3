"""The bodies of the management API, for its OpenAPI document and for checking what comes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mlserve.hub.acceptance import Submission


class Body(BaseModel):
    """A body says what it means: unknown members are refused."""

    model_config = ConfigDict(extra="forbid")


class ContentAddress(Body):
    """Where the files of a local path are in the hub's content store."""

    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    name: str = Field(min_length=1, max_length=255, pattern=r"^[^/\x00]+$")


class UploadBody(ContentAddress):
    """Where files of the content store are to be written. ``resource``: the group whose credentials to use."""

    address: str
    endpoint: str = ""
    resource: str = ""


class SubmissionBody(Body):
    """A descriptor as the user wrote it, with the addresses of its local files."""

    descriptor: dict[str, Any]
    content: dict[str, ContentAddress] = {}
    base: str = ""

    def submission(self) -> Submission:
        """The same without pydantic."""
        return Submission(self.descriptor, {key: value.model_dump() for key, value in self.content.items()}, self.base)


class CreateBody(SubmissionBody):
    """A new service; ``trial``: a throw-away one."""

    trial: bool = False


class PlanBody(SubmissionBody):
    """A descriptor to compare with what is there; ``strategy``: how it is to take over, this time."""

    strategy: str = ""


class UpdateBody(Body):
    """Another descriptor, or values to set in the newest one (``metadata.cpu=2``), or both."""

    descriptor: dict[str, Any] | None = None
    content: dict[str, ContentAddress] = {}
    base: str = ""
    set: list[str] = []
    strategy: str = ""
    """In the place of the descriptor's own, this once."""

    def submission(self) -> Submission | None:
        """The new descriptor, where one was sent."""
        if self.descriptor is None:
            return None
        return SubmissionBody(descriptor=self.descriptor, content=self.content, base=self.base).submission()


class ValidateBody(SubmissionBody):
    """A descriptor to check; ``fetch``: its files and the capacity, too."""

    fetch: bool = True


class ScaleBody(Body):
    """How many instances there should be."""

    instances: int


class RollbackBody(Body):
    """``version``: the one to go back to; null: the one before."""

    version: int | None = None


class TrafficBody(Body):
    """``weights``: percent by member, 100 together, nothing for who is not named; ``auto``: by ready instances again.

    ``standalone``: who gets nothing from now on; ``join``: who is counted again; ``sticky``: ``header:NAME``,
    ``cookie:NAME`` or "" for neither.
    """

    weights: dict[str, int] = Field(default={}, max_length=100)
    auto: bool = False
    standalone: list[str] = Field(default=[], max_length=100)
    join: list[str] = Field(default=[], max_length=100)
    sticky: str | None = None


class MirrorBody(Body):
    """Copies of so many requests in a hundred go to the service ``to``."""

    to: str
    percent: int = 100


class StopBody(Body):
    """``all``: end the services and the gateway, too."""

    all: bool = False


class ResourceBody(Body):
    """A backend under a name; ``credentials``: AWS_… and OSS_… variables for the storage its services name."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")
    backend: str
    options: dict[str, Any] = {}
    credentials: dict[str, str] = {}
    check: bool = True


class LocalPathBody(Body):
    """A path on the hub's own machine."""

    path: str


class MissingBody(Body):
    """Hashes of files that a client could send."""

    sha256: list[str]


class TreeBody(Body):
    """The files that make up one content address."""

    manifest: list[dict[str, Any]]
    name: str


class TokenBody(Body):
    """A token for requests (``evaluate``) or for the management API (``manage``).

    ``expires``: seconds from now; ``rate_limit``: requests a second that it may make, 0 for any number.
    """

    scopes: list[str] = Field(default=["evaluate"], max_length=10)
    services: list[str] = Field(max_length=100)
    expires: float = 30 * 86400.0
    label: str = Field(default="", max_length=200)
    rate_limit: int = 0


class RotateBody(Body):
    """``remove``: end what the former keys signed, too."""

    remove: bool = False
