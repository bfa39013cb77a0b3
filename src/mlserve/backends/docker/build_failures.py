"""Why a build failed, and what to do about it. Pure: a table over what the builder wrote."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlserve.descriptor.secrets import masked_text
from mlserve.errors import BuildFailed, FetchFailed
from mlserve.images.recipe import Recipe

_WHEELS = "put wheels of all requirements into a folder, name it in MLSERVE_WHEELS and set MLSERVE_OFFLINE=1"


@dataclass(frozen=True, slots=True)
class Rule:
    """Lines that tell a cause, and its words: ``{0}`` is what the pattern caught, ``{base}`` the base image."""

    pattern: str
    code: str
    what: str
    next: str
    applies: Callable[[Recipe], bool] = lambda recipe: True


def _offline(recipe: Recipe) -> bool:
    return recipe.offline


def _of_their_own(recipe: Recipe) -> bool:
    return recipe.onto


RULES: Sequence[Rule] = (
    Rule(
        r"no space left on device|disk quota exceeded()",
        "disk-full",
        "the disk of the engine is full",
        "free some there: docker system df tells what takes it",
    ),
    Rule(
        r"python3: (?:command )?not found()|No module named '?(pip)\b|exec: \"/bin/sh\".*no such file()",
        "image",
        "the image {base} has no shell with a Python and its pip, which put prepare.pythonRequirements into it",
        "choose an image that has them, or one that has the packages already, without prepare",
        _of_their_own,
    ),
    Rule(
        r"python3: (?:command )?not found()|exec: \"/bin/sh\".*no such file()",
        "base-image",
        "the base image {base} has no Python",
        "name one that has it as base_image of this resource group, python:3.11-slim for example",
    ),
    Rule(
        r"No module named '?(pip|venv)\b",
        "base-image",
        "the base image {base} has a Python without {0}",
        "name one that has it as base_image of this resource group, python:3.11-slim for example",
    ),
    Rule(
        r"(?:CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError)()",
        "index-certificate",
        "the package index is behind a certificate that the base image {base} does not trust",
        "use a base_image with your CA and PIP_CERT set, or " + _WHEELS,
    ),
    Rule(
        r"(?:No matching distribution found for|satisfies the requirement) (\S+)",
        "no-wheel",
        "among the wheels is none of {0} that fits the Python of {base}",
        "add it (pip download --only-binary=:all: {0}), or let the engine ask an index: unset MLSERVE_OFFLINE",
        _offline,
    ),
    Rule(
        r"(?:Temporary failure in name resolution|Name or service not known|Connection refused|Network is unreachable"
        r"|Failed to establish a new connection|NewConnectionError|Read timed out|ConnectTimeoutError|ProxyError)()",
        "no-index",
        "no package index can be reached from the engine",
        "give its machine a way to one, or " + _WHEELS,
    ),
    Rule(
        r"Failed (?:to build|building wheel for)[: ]+'?([\w.-]+)|unable to execute '?(g?cc)",
        "no-wheel",
        "{0} has to be compiled, and the base image {base} can't do that",
        "choose a version that has a wheel for its Python, or a base_image with a compiler, python:3.11 for example",
    ),
    Rule(
        r"(?:No matching distribution found for|satisfies the requirement) (\S+)",
        "no-version",
        "the index has no {0} that fits the Python of {base}",
        "correct name or version in the requirements, or choose a base_image with the Python that it is made for",
    ),
    Rule(
        r"ResolutionImpossible()|conflicting dependencies()",
        "conflict",
        "the requirements can't be met together",
        "change the versions that contradict each other",
    ),
)


def baseless(recipe: Recipe, error: FetchFailed) -> BuildFailed:
    """The error for a base image that is neither there nor to be had."""
    detail = {"code": "base-image", "message": error.message, "step": f"FROM {recipe.base}", "log": [error.message]}
    return BuildFailed(
        f"the image {recipe.tag} can't be built: its base is not on the engine, and {error.message}",
        hint=f"{error.hint}; or bring it there (docker save {recipe.base} | docker -H ENGINE load), or name another "
        "one as base_image of the resource group or MLSERVE_BASE_IMAGE of the hub",
        details=[detail],
    )


def failed(recipe: Recipe, step: str, lines: Sequence[str], error: str) -> BuildFailed:
    """The error for a build that ended in this step, after these lines of it."""
    told = [masked_text(line) for line in [*lines, error]]
    code, what, hint = _explained(recipe, "\n".join(told))
    where = masked_text(step) or f"FROM {recipe.base}"
    detail = {"code": code, "message": f"the step that failed: {where}", "step": where, "log": told}
    return BuildFailed(f"the image {recipe.tag} can't be built: {what}", hint=hint, details=[detail])


def _explained(recipe: Recipe, text: str) -> tuple[str, str, str]:
    for rule in RULES:
        found = re.search(rule.pattern, text, re.IGNORECASE)
        if found and rule.applies(recipe):
            caught = next((group for group in found.groups() if group), "")
            return rule.code, _filled(rule.what, recipe, caught), _filled(rule.next, recipe, caught)
    last = text.splitlines()[-1] if text else "no reason was given"
    return "build-failed", last, "the lines above are what it wrote"


def _filled(text: str, recipe: Recipe, caught: str) -> str:
    return text.format(caught, base=recipe.base)
