"""What an image of ours is made of: layers from what seldom changes to what often does. Words only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ROOT = "/mlserve"
ENVIRONMENT = f"{ROOT}/env"
PYTHON = f"{ENVIRONMENT}/bin/python"
RUNTIME = f"{ROOT}/runtime"
"""Where things lie inside: the packages, the interpreter that has them, a folder with nothing but our own package."""

DIGEST = "mlserve.image.digest"
HUB = "mlserve.image.hub"
SERVICE = "mlserve.image.service"
VERSION = "mlserve.image.version"
FOUNDATION = "mlserve.image.foundation"
"""Labels: of what content an image is, of whom, for what, and on which foundation (base, packages, runtime) it stands.

A container has the labels of its image, too, so these are not the ones by which a hub knows its containers:
``docker run`` of an image makes none of them.
"""


@dataclass(frozen=True, slots=True)
class Layer:
    """Files of one layer."""

    files: Mapping[str, str] = field(default_factory=dict)
    """Absolute path inside the image → absolute path of a file or folder here."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Path inside the image → digest of what lies here, where that is known: it is then not read to be compared."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides an image: equal recipes over equal files give one digest."""

    tag: str
    """``repository:tag``; the tag is the version of the service."""
    base: str
    """The image it stands on; it has Python and pip."""
    requirements: tuple[str, ...] = ()
    index: tuple[str, ...] = ()
    """pip's options that say where packages come from; empty: the usual index, as the engine reaches it."""
    wheels: tuple[str, ...] = ()
    """Files to install from."""
    offline: bool = False
    """The wheels are all there is: neither an index nor a network is used."""
    runtime: Layer = Layer()
    code: Layer = Layer()
    model: Layer = Layer()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    workdir: str = ROOT
    port: int = 8080
    labels: Mapping[str, str] = field(default_factory=dict)
    onto: bool = False
    """The base is somebody's own image: its packages are added to, the way it starts stays."""
    requirements_file: str = ""
    """With ``onto``: a requirements.txt in the base, in place of ``requirements``."""
    pinned: str = ""
    """With ``onto``: the base's id, since its name may mean another image tomorrow; who builds finds it."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that a place has."""

    reference: str
    """Its name, for people and registries."""
    id: str
    """What to start it by: its name may mean another image tomorrow."""
    size: int = 0
    """Bytes."""
    layers: int = 0
    reused: bool = False
    """It was there already: nothing was built."""
