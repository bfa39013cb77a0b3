"""Who we are to a registry: what a descriptor says, else what ``docker login`` has kept on the hub's machine."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from mlserve.errors import FetchFailed, InvalidInput


def credentials(client: Any, image: str, auth: str) -> dict[str, str]:
    """The SDK's ``auth_config``; empty: nobody. ``auth``: base64 of ``user:password``. Raises InvalidInput."""
    return decoded(auth) if auth else _kept(client, image)


def decoded(auth: str) -> dict[str, str]:
    """User and password; raises InvalidInput, which shows neither."""
    try:
        user, mark, password = base64.b64decode(auth, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        user, mark, password = "", "", ""
    if not user or not mark:
        raise InvalidInput(
            "dockerAuth is not base64 of user:password",
            hint="printf '%s' 'USER:PASSWORD' | base64 -w0 makes it",
            details=[{"pointer": "/dockerAuth", "code": "invalid", "message": "not base64 of user:password"}],
        )
    return {"username": user, "password": password}


def _kept(client: Any, image: str) -> dict[str, str]:
    from docker import auth
    from docker.errors import DockerException

    registry, _ = auth.resolve_repository_name(image)
    try:
        # Read anew: someone may have logged in since the hub began.
        found = auth.load_config(credstore_env=client.api.credstore_env).resolve_authconfig(registry)
    except DockerException as exc:
        raise FetchFailed(
            f"what docker login has kept for {registry} can't be read: {exc}",
            hint='install the credential helper that ~/.docker/config.json names, or give "dockerAuth"',
            details=[{"code": "credentials"}],
        ) from exc
    return {str(name): str(value) for name, value in (found or {}).items() if value}
