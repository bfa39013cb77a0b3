"""Where packages come from: what is configured for pip, said to uv. uv's own settings win."""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlserve.environments.wheels import VARIABLE

_SECTIONS = ("global", "install")
_SECRETS = ("TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL")
_OURS = ("MLSERVE_", "AWS_")


def uv_environment(environ: Mapping[str, str], configured: Mapping[str, str]) -> dict[str, str]:
    """The environment to run uv in: the hub's without its secrets, plus what pip is told (see `pip_settings`)."""
    kept = {name: value for name, value in environ.items() if not _is_secret(name)}
    told = dict(configured)
    if {"UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX"} & environ.keys():
        told = {name: value for name, value in told.items() if "index" not in name}
    settings = {**_translate(told), **kept, "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
    links = [settings.get("UV_FIND_LINKS", ""), *environ.get(VARIABLE, "").split(":")]
    return settings | ({"UV_FIND_LINKS": ",".join(filter(None, links))} if any(links) else {})


def pip_settings(environ: Mapping[str, str], files: Iterable[Path]) -> dict[str, str]:
    """pip's settings by their long names; a later file wins over an earlier one, variables win over files."""
    found: dict[str, str] = {}
    for path in files:
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(path)
        except (configparser.Error, UnicodeDecodeError):
            continue  # pip itself says what is wrong with it
        for section in filter(parser.has_section, _SECTIONS):
            found |= {name.replace("_", "-"): value for name, value in parser.items(section)}
    prefix = "PIP_"
    named = {name: value for name, value in environ.items() if name.startswith(prefix)}
    return found | {name.removeprefix(prefix).lower().replace("_", "-"): value for name, value in named.items()}


def pip_files(environ: Mapping[str, str], prefix: Path) -> list[Path]:
    """Where pip looks for its settings on this machine, least important first."""
    home = Path(environ.get("HOME", "/"))
    own = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    usual = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"), home / ".pip/pip.conf", own / "pip/pip.conf"]
    named = environ.get("PIP_CONFIG_FILE")
    if named == "/dev/null":
        return []
    return [*usual, prefix / "pip.conf", *([Path(named)] if named else [])]


def pip_configuration() -> dict[str, str]:
    """What pip is told in this process's own environment."""
    return pip_settings(os.environ, pip_files(os.environ, Path(sys.prefix)))


def _translate(settings: Mapping[str, str]) -> dict[str, str]:
    extra = settings.get("extra-index-url", "").split()
    told = {
        "UV_DEFAULT_INDEX": settings.get("index-url", ""),
        "UV_INDEX": " ".join(extra),
        # pip takes the best version of all its indexes; uv by default only looks into the first that has the name.
        "UV_INDEX_STRATEGY": "unsafe-best-match" if extra else "",
        "UV_FIND_LINKS": ",".join(settings.get("find-links", "").split()),
        "UV_NO_INDEX": "1" if settings.get("no-index", "").lower() in ("1", "true", "yes", "on") else "",
        "UV_INSECURE_HOST": " ".join(settings.get("trusted-host", "").split()),
        "SSL_CERT_FILE": settings.get("cert", ""),
        "UV_HTTP_TIMEOUT": settings.get("timeout", settings.get("default-timeout", "")),
    }
    return {name: value for name, value in told.items() if value}


def _is_secret(name: str) -> bool:
    if name.startswith(("UV_", "PIP_")):
        return False
    return name.startswith(_OURS) or any(word in name.upper() for word in _SECRETS)
