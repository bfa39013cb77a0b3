"""What docker itself would talk to: its environment variables and the contexts that `docker context` keeps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlserve.backends.docker.target import SOCKET, Target, Tls, target, tls_of
from mlserve.errors import InvalidInput

NAMES = {"tls_ca": "ca.pem", "tls_cert": "cert.pem", "tls_key": "key.pem"}


def find(options: Mapping[str, str], environment: Mapping[str, str]) -> Target:
    """The engine that a group's options mean: an address, a context's name, or docker's own default.

    Raises InvalidInput.
    """
    host, address, tls = options.get("host", ""), options.get("address", ""), tls_of(options)
    if "://" in host:
        return target(host, tls, address)
    folder = Path(environment.get("DOCKER_CONFIG") or Path(environment.get("HOME") or "/root") / ".docker")
    if not host and environment.get("DOCKER_HOST"):
        return target(environment["DOCKER_HOST"], tls or _tls_of_environment(environment, folder), address)
    name = host or environment.get("DOCKER_CONTEXT") or _current(folder) or "default"
    if name == "default":
        return target(f"unix://{SOCKET}", None, address)
    return _of_context(name, folder, tls, address)


def _tls_of_environment(environment: Mapping[str, str], folder: Path) -> Tls | None:
    """Empty ``DOCKER_TLS_VERIFY`` means: don't look whose certificate it is; not set means: no TLS."""
    if "DOCKER_TLS_VERIFY" not in environment and not environment.get("DOCKER_TLS"):
        return None
    files = Path(environment.get("DOCKER_CERT_PATH") or folder)
    return _tls_in(files, verify=bool(environment.get("DOCKER_TLS_VERIFY")))


def _tls_in(folder: Path, *, verify: bool) -> Tls:
    ca, cert, key = (folder / name if (folder / name).exists() else None for name in NAMES.values())
    return Tls(ca, cert, key, verify=verify)


def _current(folder: Path) -> str:
    return str(_read(folder / "config.json").get("currentContext") or "")


def _of_context(name: str, folder: Path, tls: Tls | None, address: str) -> Target:
    contexts, key = folder / "contexts", hashlib.sha256(name.encode()).hexdigest()
    meta = _read(contexts / "meta" / key / "meta.json")
    endpoint = dict(dict(meta.get("Endpoints") or {}).get("docker") or {})
    if not endpoint.get("Host"):
        known = sorted(str(_read(path).get("Name")) for path in contexts.glob("meta/*/meta.json"))
        raise InvalidInput(
            f'docker has no context "{name}" here (contexts: {", ".join(["default", *known])})',
            hint="give an address instead: unix:///var/run/docker.sock, tcp://HOST:2376 or ssh://USER@HOST",
        )
    files = contexts / "tls" / key / "docker"
    if tls is None and files.is_dir():
        tls = _tls_in(files, verify=not endpoint.get("SkipTLSVerify"))
    return target(str(endpoint["Host"]), tls, address)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise InvalidInput(f"docker's file {path} can't be read: {exc}", hint="docker context ls shows why") from exc
    return data if isinstance(data, dict) else {}
