"""Whether the interpreter that runs the hub already has what is required."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement


def satisfied(requirements: Sequence[str]) -> tuple[str, ...] | None:
    """The installed packages that meet all requirements, as ``name==version``; None when one is not met."""
    try:
        wanted = [Requirement(line) for line in requirements]
    except InvalidRequirement:
        return None
    found: dict[str, str] = {}
    while wanted:
        requirement = wanted.pop()
        if requirement.marker and not requirement.marker.evaluate():
            continue
        version = _installed(requirement)
        if version is None:
            return None
        if requirement.name not in found:
            wanted += _of_extras(requirement)
        found[requirement.name] = version
    return tuple(f"{name}=={version}" for name, version in sorted(found.items()))


def _installed(requirement: Requirement) -> str | None:
    if requirement.url:
        return None
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return None
    return version if requirement.specifier.contains(version, prereleases=True) else None


def _of_extras(requirement: Requirement) -> Iterator[Requirement]:
    for line in metadata.requires(requirement.name) or () if requirement.extras else ():
        needed = Requirement(line)
        marker = needed.marker
        if marker and any(marker.evaluate({"extra": extra}) for extra in requirement.extras):
            needed.marker = None
            yield needed
