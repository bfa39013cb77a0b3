"""A client of the docker SDK that only what it was given can lead astray: no variable of the environment."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from mlserve.backends.docker import handshake
from mlserve.backends.docker.target import Target, Tls
from mlserve.errors import ResourceUnavailable

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.tls import TLSConfig

OLDEST_API = (1, 40)
"""Docker 19.03: the first that hands GPUs to containers."""
SECONDS = 60
"""Of silence on a connection, after which a call ends."""
POOL = 32


def connect(target: Target, socket: str, seconds: int) -> DockerClient:
    """A client that has spoken to the engine once; ``socket``: the local one, for ``unix`` and ``ssh``.

    Raises what the SDK raises (see `troubles`), and ResourceUnavailable for an engine that is too old.
    """
    from docker.constants import DEFAULT_DOCKER_API_VERSION

    base = f"unix://{socket}" if socket else f"tcp://{target.name}:{target.port}"
    tls = _tls(target.tls) if target.tls and not socket else False
    asking = _client(base, "1.24", tls, seconds)
    try:
        told = asking.api.version(api_version=False)
    except failures() as exc:
        alert = handshake.refusal(target, target.tls) if tls and target.tls else None
        if alert:
            raise alert from exc
        raise
    finally:
        asking.close()
    theirs, ours = _numbers(told["ApiVersion"]), _numbers(DEFAULT_DOCKER_API_VERSION)
    if theirs < OLDEST_API:
        raise ResourceUnavailable(
            f"the Docker engine at {target} is too old: it speaks API {told['ApiVersion']}, mlserve needs "
            f"{_text(OLDEST_API)} (Docker 19.03)",
            hint="update Docker on that machine",
        )
    oldest = _numbers(told.get("MinAPIVersion") or "1.24")
    if oldest > ours:
        raise ResourceUnavailable(
            f"the Docker engine at {target} speaks API {_text(oldest)} and newer, this hub's docker library "
            f"{_text(ours)}",
            hint="update the library on the hub's machine: pip install --upgrade docker",
        )
    return _client(base, _text(min(theirs, ours)), tls, SECONDS)


def failures() -> tuple[type[Exception], ...]:
    """What the SDK and the libraries below it raise for an engine that gave no answer."""
    import requests
    import urllib3
    from docker.errors import DockerException

    return (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError)


def refusal(error: Exception) -> tuple[int, str] | None:
    """Status and text of an answer that is an error; None: it is none."""
    from docker.errors import APIError, BuildError, ImageLoadError

    if isinstance(error, APIError):
        return error.status_code or 500, str(error.explanation or error)
    if isinstance(error, BuildError | ImageLoadError):
        return 500, str(error)
    return None


def _client(base: str, version: str, tls: TLSConfig | bool, seconds: int) -> DockerClient:
    import docker

    client = docker.DockerClient(base_url=base, version=version, timeout=seconds, tls=tls, max_pool_size=POOL)
    # Else REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE win over the given authority, and HTTPS_PROXY takes the connection.
    client.api.trust_env = False
    if base.startswith("unix://"):
        from mlserve.backends.docker.unix_socket import Adapter

        client.api.mount("http+docker://", Adapter(base.removeprefix("unix://"), seconds, POOL))
    return client


def _tls(files: Tls) -> TLSConfig:
    from docker.tls import TLSConfig

    for file in (files.ca, files.cert, files.key):
        if file is not None and not os.access(file, os.R_OK):
            raise ResourceUnavailable(
                f"the TLS file {file} {'can not be read' if file.exists() else 'is missing'}",
                hint="it has to be on the hub's machine, readable by the hub's user",
            )
    cert = (str(files.cert), str(files.key)) if files.cert and files.key else None
    authority = str(files.ca) if files.ca else ssl.get_default_verify_paths().cafile
    return TLSConfig(client_cert=cert, ca_cert=authority, verify=files.verify)


def _numbers(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor or 0)


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
