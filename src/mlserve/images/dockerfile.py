"""A recipe as Dockerfiles that every builder reads, the classic one included. Pure.

There are two: the foundation (base, packages, runtime) takes long and is shared by all versions that need the same;
what stands on it (code, model, settings) is copied in a moment.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping

from mlserve.images.recipe import ENVIRONMENT, PYTHON, ROOT, Recipe

REQUIREMENTS = f"{ROOT}/requirements.txt"
WHEELS = f"{ROOT}/wheels"
USER = "65534:65534"
"""Nobody: it owns nothing, so that a program can change nothing of its own image."""
NOTHING: Mapping[str, str] = {}

_ENVIRONMENT = {"HOME": "/tmp", "PYTHONUNBUFFERED": "1"}  # noqa: S108 - the one place an instance can write to
_PATH = f"{ENVIRONMENT}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def foundation(recipe: Recipe, marks: Mapping[str, str] = NOTHING) -> str:
    """The base with the packages and the runtime; ``marks`` are labels of each layer, also where a build fails.

    Wheels are left behind in a stage of their own: the image holds them installed, not twice.
    """
    if recipe.onto:
        return _text(_onto(recipe, marks))
    return _text(_packages(recipe, marks), _runtime(recipe), _standing())


def dockerfile(recipe: Recipe, standing_on: str, labels: Mapping[str, str] = NOTHING) -> str:
    """The image itself, on the foundation of that name."""
    if recipe.onto:
        return _text([f"FROM {standing_on}"], _labels(labels))
    return _text([f"FROM {standing_on}"], _files(recipe), _settings(recipe), _labels(labels))


def _text(*parts: Iterator[str] | list[str]) -> str:
    return "".join(f"{line}\n" for part in parts for line in part)


def _packages(recipe: Recipe, marks: Mapping[str, str]) -> Iterator[str]:
    yield f"FROM {recipe.base}" + (" AS packages" if recipe.wheels else "")
    yield from _labels(marks)
    yield "COPY requirements/ /"
    if recipe.wheels:
        yield "COPY wheels/ /"
    yield f"RUN {_install(recipe)}"
    if recipe.wheels:
        yield f"FROM {recipe.base}"
        yield from _labels(marks)
        yield f"COPY --from=packages {ENVIRONMENT} {ENVIRONMENT}"


def _onto(recipe: Recipe, marks: Mapping[str, str]) -> Iterator[str]:
    """Packages for the Python that the image itself would use; who its processes are is said where it is started."""
    yield f"FROM {recipe.pinned or recipe.base}"
    yield from _labels(marks)
    yield "USER 0:0"
    yield "COPY requirements/ /"
    if recipe.wheels:
        yield "COPY wheels/ /"
    python = 'python="$(command -v python3 || command -v python || { echo python3: not found >&2; exit 127; })"'
    # A distribution's own Python refuses packages beside its own, unless told that nobody else depends on them.
    yield f'RUN {python} && PIP_BREAK_SYSTEM_PACKAGES=1 "$python" -m pip install {_pip_options(recipe)}'


def _install(recipe: Recipe) -> str:
    """An environment over the base's own packages: what it brings in a fitting version is not installed again."""
    venv = f"python3 -m venv --without-pip --system-site-packages {ENVIRONMENT}"
    if not recipe.requirements:
        return venv
    return f"{venv} && {PYTHON} -m pip install {_pip_options(recipe)}"


def _pip_options(recipe: Recipe) -> str:
    where = ["--no-index"] if recipe.offline else [*recipe.index]
    if recipe.wheels:
        where += ["--find-links", WHEELS]
    quiet = "--no-cache-dir --disable-pip-version-check --no-input --progress-bar off"
    return f"{quiet} {shlex.join([*where, '--requirement', recipe.requirements_file or REQUIREMENTS])}"


def _runtime(recipe: Recipe) -> Iterator[str]:
    """Compiled there: an instance can write nothing beside its files."""
    if recipe.runtime.files:
        yield "COPY runtime/ /"
        places = shlex.join(sorted(recipe.runtime.files))
        yield f"RUN {PYTHON} -m compileall -q --invalidation-mode unchecked-hash {places}"


def _files(recipe: Recipe) -> Iterator[str]:
    if recipe.code.files:
        yield "COPY code/ /"
    if recipe.model.files:
        yield "COPY model/ /"


def _standing() -> Iterator[str]:
    """What all images on it have in common: each line here is one that a new service needn't wait for."""
    yield "ENV " + _pairs({"PATH": _PATH, **_ENVIRONMENT})
    yield f"WORKDIR {ROOT}"
    yield f"USER {USER}"
    yield "ENTRYPOINT []"


def _settings(recipe: Recipe) -> Iterator[str]:
    yield "ENV " + _pairs({"PORT": str(recipe.port), **recipe.environment})
    if recipe.workdir != ROOT:
        yield f"WORKDIR {_escaped(recipe.workdir)}"
    yield f"EXPOSE {recipe.port}"
    if recipe.command:
        yield "CMD " + json.dumps([word.replace("{port}", str(recipe.port)) for word in recipe.command])


def _labels(labels: Mapping[str, str]) -> Iterator[str]:
    if labels:
        yield "LABEL " + _pairs(labels)


def _pairs(values: Mapping[str, str]) -> str:
    return " ".join(f'{name}="{_escaped(value)}"' for name, value in sorted(values.items()))


def _escaped(text: str) -> str:
    """Nothing in it is replaced or ends the word."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
