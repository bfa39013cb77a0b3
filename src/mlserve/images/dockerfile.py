"""A recipe as a Dockerfile that every builder reads, the classic one included. Pure."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import PurePath

from mlserve.images.recipe import ENVIRONMENT, PYTHON, ROOT, STAGE, Recipe

REQUIREMENTS = f"{ROOT}/requirements.txt"
WHEELS = f"{ROOT}/wheels"
USER = "65534:65534"
"""Nobody: it owns nothing, so that a program can change nothing of its own image."""
NOTHING: Mapping[str, str] = {}

_ENVIRONMENT = {"HOME": "/tmp", "PYTHONUNBUFFERED": "1"}  # noqa: S108 - the one place an instance can write to
_PATH = f"{ENVIRONMENT}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def dockerfile(recipe: Recipe, marks: Mapping[str, str] = NOTHING, labels: Mapping[str, str] = NOTHING) -> str:
    """The text; ``labels`` are those of the image, ``marks`` those of each layer, also where a build fails."""
    return "\n".join([*_dependencies(recipe, marks), *_files(recipe), *_settings(recipe, labels)]) + "\n"


def _dependencies(recipe: Recipe, marks: Mapping[str, str]) -> Iterator[str]:
    """The packages. Wheels are left behind in a stage of their own: the image holds them installed, not twice."""
    yield f"FROM {recipe.base}" + (" AS dependencies" if recipe.wheels else "")
    yield from _labels(marks)
    yield "COPY requirements/ /"
    if recipe.wheels:
        yield "COPY wheels/ /"
    yield f"RUN {_install(recipe)}"
    if recipe.wheels:
        yield from _labels({STAGE: _stage(recipe)})
        yield f"FROM {recipe.base}"
        yield from _labels(marks)
        yield f"COPY --from=dependencies {ENVIRONMENT} {ENVIRONMENT}"


def _stage(recipe: Recipe) -> str:
    """The same packages from the same wheels on the same base have one name."""
    wheels = sorted(PurePath(wheel).name for wheel in recipe.wheels)
    told = json.dumps([recipe.base, recipe.requirements, recipe.index, wheels])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _install(recipe: Recipe) -> str:
    """An environment over the base's own packages: what it brings in a fitting version is not installed again."""
    venv = f"python3 -m venv --without-pip --system-site-packages {ENVIRONMENT}"
    if not recipe.requirements:
        return venv
    where = ["--no-index"] if recipe.offline else [*recipe.index]
    if recipe.wheels:
        where += ["--find-links", WHEELS]
    quiet = "--no-cache-dir --disable-pip-version-check --no-input --progress-bar off"
    return f"{venv} && {PYTHON} -m pip install {quiet} {shlex.join([*where, '--requirement', REQUIREMENTS])}"


def _files(recipe: Recipe) -> Iterator[str]:
    for name, layer in (("runtime", recipe.runtime), ("code", recipe.code), ("model", recipe.model)):
        if not layer.files:
            continue
        yield f"COPY {name}/ /"
        if layer.compiled:
            places = shlex.join(sorted(layer.files))
            yield f"RUN {PYTHON} -m compileall -q --invalidation-mode unchecked-hash {places}"


def _settings(recipe: Recipe, labels: Mapping[str, str]) -> Iterator[str]:
    environment = {"PATH": _PATH, **_ENVIRONMENT, "PORT": str(recipe.port), **recipe.environment}
    yield "ENV " + _pairs(environment)
    yield f"WORKDIR {_escaped(recipe.workdir)}"
    yield f"EXPOSE {recipe.port}"
    yield f"USER {USER}"
    yield "ENTRYPOINT []"
    if recipe.command:
        yield "CMD " + json.dumps([word.replace("{port}", str(recipe.port)) for word in recipe.command])
    yield from _labels({**labels, **({STAGE: _stage(recipe)} if recipe.wheels else {})})


def _labels(labels: Mapping[str, str]) -> Iterator[str]:
    if labels:
        yield "LABEL " + _pairs(labels)


def _pairs(values: Mapping[str, str]) -> str:
    return " ".join(f'{name}="{_escaped(value)}"' for name, value in sorted(values.items()))


def _escaped(text: str) -> str:
    """Nothing in it is replaced or ends the word."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
