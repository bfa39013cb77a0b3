"""Instances as containers of a Docker engine, on this machine or elsewhere. The SDK is loaded upon the first use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlserve.backends.docker.backend import DockerBackend


def create(home: Path, options: Mapping[str, Any], hub: str = "") -> DockerBackend:
    """The backend of a resource group of this kind; it is made whether its engine answers or not.

    Options: ``host``, ``tls_ca``, ``tls_cert``, ``tls_key``, ``address``, ``base_image``, ``triton_image``; ``hub``:
    the id of a hub that is lost, whose instances this one takes over. Raises InvalidInput.
    """
    from mlserve.backends.docker.backend import DockerBackend
    from mlserve.backends.docker.engine import open_engine
    from mlserve.backends.docker.options import checked

    told = checked(options)
    return DockerBackend(home, told, open_engine(told, home), told.get("hub") or hub)
