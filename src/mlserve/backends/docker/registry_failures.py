"""What registries answer, told apart. Pure: a table over their words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mlserve.errors import FetchFailed

_CREDENTIALS = "printf '%s' 'USER:PASSWORD' | base64 -w0 makes \"dockerAuth\", or docker login on the hub's machine"


@dataclass(frozen=True, slots=True)
class Rule:
    """A registry's words, and ours: ``{image}``, ``{registry}``; ``known``: the rule of a request with credentials."""

    pattern: str
    code: str
    what: str
    next: str
    known: bool | None = None


RULES: Sequence[Rule] = (
    Rule(
        r"no basic auth credentials|unauthorized|authentication required|denied|forbidden",
        "credentials",
        "the registry {registry} wants credentials, and there are none",
        _CREDENTIALS,
        known=False,
    ),
    Rule(
        r"unauthorized|authentication required|incorrect username or password|no basic auth credentials",
        "credentials",
        "the registry {registry} does not accept these credentials",
        _CREDENTIALS,
    ),
    Rule(
        r"denied|forbidden|insufficient_scope",
        "denied",
        "the registry {registry} does not allow this user to use {image}, or has no such repository",
        "check the name, and what the user may do there",
    ),
    Rule(r"does not exist locally", "image-missing", "the engine has no {image}", "mlserve build makes one"),
    Rule(
        r"manifest.*unknown|not found|tag .* does not exist|no such image|name unknown|name_unknown",
        "image-missing",
        "the registry {registry} has no {image}",
        "check name and tag",
    ),
    Rule(
        r"x509|certificate",
        "certificate",
        "the engine does not trust the certificate of the registry {registry}",
        "put its CA into /etc/docker/certs.d/{registry}/ca.crt on the engine's machine",
    ),
    Rule(
        r"server gave HTTP response to HTTPS client",
        "no-tls",
        "the registry {registry} speaks plain HTTP, which the engine refuses",
        'add it to "insecure-registries" in /etc/docker/daemon.json on the engine\'s machine, or give it a certificate',
    ),
    Rule(
        r"no such host|server misbehaving|name resolution",
        "registry-unknown",
        'the engine does not know the name of the registry "{registry}"',
        "check the image's name, and the DNS of the engine's machine",
    ),
    Rule(
        r"connection refused|i/o timeout|Client\.Timeout|TLS handshake|no route|unreachable|EOF|connection reset",
        "registry-down",
        "the registry {registry} can't be reached from the engine",
        "is it up, and does the engine's machine have a way to it?",
    ),
    Rule(
        r"no space left on device", "disk-full", "the disk of the engine is full", "free some: docker system df tells"
    ),
    Rule(
        r"no matching manifest",
        "platform",
        "{image} is not made for the engine's processor",
        "choose an image for it",
    ),
)


def failed(doing: str, image: str, registry: str, text: str, *, known: bool) -> FetchFailed:
    """The error for an image that could not be ``doing`` (pulled, pushed); ``known``: credentials were sent."""
    words = {"image": image, "registry": registry}
    for rule in RULES:
        if rule.known in (None, known) and re.search(rule.pattern, text, re.IGNORECASE):
            what, hint = rule.what.format(**words), rule.next.format(**words)
            detail = {"code": rule.code, "message": text}
            return FetchFailed(f"{image} can't be {doing}: {what}", hint=hint, details=[detail])
    return FetchFailed(
        f"{image} can't be {doing}: {text}",
        hint="the registry's own log may say more",
        details=[{"code": "registry", "message": text}],
    )
