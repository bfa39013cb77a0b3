"""Images as a descriptor names them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from mlserve.descriptor.base import Text, Words
from mlserve.descriptor.environment import EnvVar
from mlserve.descriptor.health import HealthCheck
from mlserve.descriptor.units import Whole

ROOT_USER = "root"


def _requirement(value: str) -> str:
    if not value.strip() or value.lstrip().startswith("-") or "\n" in value:
        raise ValueError('has to be a package, such as "numpy>=1.26"; options of pip are not taken')
    return value.strip()


def _inside(value: str | None) -> str | None:
    if value is not None and (not value.startswith("/") or ".." in value.split("/") or not value.isprintable()):
        raise ValueError("has to be an absolute path in the image or a mount, without ..")
    return value


def _user(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Prepare(Words):
    """What is installed over an image, once, before anything starts from it."""

    python_requirements: tuple[Annotated[str, AfterValidator(_requirement)], ...] = Field(
        default=(), alias="pythonRequirements"
    )
    """Packages, one per item; where both are given, the file is not read."""
    python_requirements_path: Annotated[Text, AfterValidator(_inside)] = Field(
        default=None, alias="pythonRequirementsPath"
    )
    """A requirements.txt in the image or a mount."""


class Container(Words):
    """One container of an instance."""

    image: str = Field(min_length=1, max_length=4096, pattern=r"^[^\s-]\S*$")
    """The image's address."""
    command: Text = None
    """One command, without a shell. It replaces what the image itself starts, its entrypoint too; unset: that."""
    script: Text = None
    """A shell script in the same place: the image needs /bin/sh."""
    port: Whole | None = Field(default=None, ge=1, le=65_535)
    """The port it listens on, on all addresses. The first container that has one answers the requests."""
    env: tuple[EnvVar, ...] = ()
    """Its environment. $PORT and $LISTENING_PORT are set, and stand for the port in command too."""
    prepare: Prepare = Prepare()
    health_check: HealthCheck | None = None
    """When it is ready; unset: once its port is open."""
    user: Annotated[
        Text,
        BeforeValidator(_user),
        WithJsonSchema({"type": ["string", "integer", "null"], "examples": ["root", "1000", "1000:1000"]}),
    ] = Field(default=None, pattern=r"^(root|\d{1,9}(:\d{1,9})?)$")
    """Who its processes are: "root", or numbers (uid, uid:gid). Unset: a user without any rights."""
    read_only: bool = True
    """Only /tmp and mounts can be written to; false for an image that writes elsewhere."""
