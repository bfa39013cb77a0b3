"""The path of a service at the gateway, below which an instance that is asked directly answers, too. Pure."""

from __future__ import annotations


def base_of(service: str) -> str:
    """Where the gateway has a service, and EAS's clients look for it at its instances."""
    return f"/api/predict/{service}"


def within(path: str, base: str) -> str:
    """A path as the instance itself has it."""
    if not path.startswith(base) or path[len(base) : len(base) + 1] not in ("", "/"):
        return path
    return "/" + path[len(base) :].lstrip("/")
