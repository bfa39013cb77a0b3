"""What a Docker engine refuses, as errors that say what to do next. A new one is a line of the table. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mlserve.backends.docker.target import Target
from mlserve.errors import Conflict, FetchFailed, InvalidInput, MlserveError, NoCapacity, NotFound

GPU_MISSING = "gpu-missing"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of the engine that is an error: its ``code`` in our details, its class, and what is to be done."""

    pattern: str
    code: str
    error: type[MlserveError]
    next: str
    lasting: bool = False
    """The same start meets it again."""


REFUSALS: Sequence[Refusal] = (
    Refusal(
        r"could not select device driver|unknown runtime specified nvidia|nvidia-container-cli|no devices? found",
        GPU_MISSING,
        NoCapacity,
        "the engine has no NVIDIA support: install nvidia-container-toolkit there, or run it without: "
        "--set metadata.gpu=0",
        lasting=True,
    ),
    Refusal(
        r"cannot assign requested address",
        "address-missing",
        InvalidInput,
        "ports are published on the address of this resource group, and its machine has none such: add the group "
        "again with another --address",
        lasting=True,
    ),
    Refusal(
        r"port is already allocated|address already in use|failed to bind",
        "port-taken",
        Conflict,
        "another program of that machine has the port: end it, or leave the port to mlserve",
    ),
    Refusal(
        r"no such image|manifest .*unknown|repository .*not found|pull access denied|image .*not found",
        "image-missing",
        NotFound,
        "is the name right, and does its registry want dockerAuth? One that was removed there comes back with "
        "mlserve restart NAME",
        lasting=True,
    ),
    Refusal(
        r"no basic auth credentials|unauthorized|authentication required|denied: requested access",
        "credentials",
        FetchFailed,
        'the registry wants credentials: "dockerAuth" in the descriptor, base64 of user:password',
        lasting=True,
    ),
    Refusal(
        r"invalid mount config|bind source path does not exist|invalid volume specification|invalid bind",
        "bind-refused",
        InvalidInput,
        "the path has to be there on the engine's machine",
        lasting=True,
    ),
    Refusal(
        r"error while mounting volume|failed to mount local volume",
        "mount-failed",
        FetchFailed,
        "does the server of storage[].nfs export that path to the engine's machine, and does that machine have the NFS "
        "client (nfs-common)?",
    ),
    Refusal(r"no space left on device", "disk-full", NoCapacity, "free some disk there: docker system df tells"),
    Refusal(
        r"range of cpus|minimum memory limit|insufficient|no enough",
        "too-much",
        NoCapacity,
        "ask for what the machine has: mlserve resource describe NAME",
        lasting=True,
    ),
)

_BAD_REQUEST = "bad-request"
LASTING = frozenset([*(rule.code for rule in REFUSALS if rule.lasting), _BAD_REQUEST])
"""Codes of what the same start meets again."""


def refused(status: int, text: str, target: Target) -> MlserveError:
    """The error for an answer of the engine that is one; ``details[0]["code"]`` says which."""
    for rule in REFUSALS:
        if re.search(rule.pattern, text, re.IGNORECASE):
            return _refusal(rule.error, rule.code, text, target, rule.next)
    if status == 404:
        return _refusal(NotFound, "not-found", text, target, "")
    if status == 409:
        return _refusal(Conflict, "conflict", text, target, "")
    if 400 <= status < 500:
        return _refusal(InvalidInput, _BAD_REQUEST, text, target, "")
    return _refusal(MlserveError, "engine-failed", text, target, "journalctl -u docker on its machine tells more")


def _refusal(error: type[MlserveError], code: str, text: str, target: Target, hint: str) -> MlserveError:
    message = f"the Docker engine at {target} refused: {text}"
    return error(message, hint=hint, details=[{"code": code, "message": text}])
