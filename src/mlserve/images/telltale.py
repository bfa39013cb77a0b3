"""Files of an image that look like somebody's secrets, by their names alone. Nothing is read of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from mlserve.images.context import of_image
from mlserve.images.recipe import Recipe

_NAMES = frozenset({
    ".env", ".netrc", ".pypirc", ".npmrc", ".pgpass", ".git-credentials", ".dockerconfigjson", ".htpasswd",
    "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "kubeconfig", "credentials.json", "service-account.json",
})  # fmt: skip
_FOLDERS = frozenset({".ssh", ".aws", ".azure", ".gnupg", ".docker", ".kube"})
_BEFORE = ".env."
_SAMPLES = (".example", ".sample", ".template", ".dist")


def telltale(recipe: Recipe) -> Iterator[str]:
    """Paths inside the image, of code and model."""
    for entry in of_image(recipe, ""):
        _, _, place = entry.name.partition("/")
        if place and not entry.is_folder and _looks_secret(PurePosixPath(place)):
            yield f"/{place}"


def _looks_secret(path: PurePosixPath) -> bool:
    name = path.name.lower()
    variables = name.startswith(_BEFORE) and not name.endswith(_SAMPLES)
    return variables or name in _NAMES or not _FOLDERS.isdisjoint(path.parts[:-1])
