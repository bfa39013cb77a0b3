"""Images as a descriptor names them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from mlserve.descriptor.base import Text, Words
from mlserve.descriptor.environment import EnvVar
from mlserve.descriptor.units import Whole


class Prepare(Words):
    """What is installed in a container before it starts."""

    python_requirements: tuple[str, ...] = Field(default=(), alias="pythonRequirements")
    """Packages, one per item."""
    python_requirements_path: Text = Field(default=None, alias="pythonRequirementsPath")
    """A requirements.txt in the image or a mount."""


class Container(Words):
    """One container of an instance."""

    image: str = Field(min_length=1, max_length=4096)
    """The image's address."""
    command: Text = None
    """One command, without a shell."""
    script: Text = None
    """A shell script."""
    port: Whole | None = Field(default=None, ge=1, le=65_535)
    """The port it listens on."""
    env: tuple[EnvVar, ...] = ()
    prepare: Prepare = Prepare()
    health_check: dict[str, Any] | None = None
    """Passed on as it is."""
