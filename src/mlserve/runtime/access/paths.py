"""The path of a service at the gateway, below which an instance that is asked directly answers, too. Pure."""

from __future__ import annotations

PREFIX = "/api/predict/"


def base_of(service: str) -> str:
    """Where the gateway has a service, and EAS's clients look for it at its instances."""
    return PREFIX + service


def within(path: str, service: str) -> str:
    """A path as the instance itself has it: below the service's name, or ``GROUP.SERVICE`` as EAS names a member."""
    name, _, rest = path.removeprefix(PREFIX).partition("/")
    if not path.startswith(PREFIX) or name.rpartition(".")[2] != service:
        return path
    return "/" + rest.lstrip("/")
