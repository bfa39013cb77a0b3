"""Print the OpenAPI document of the management API: `python -m mlserve.hub.openapi`."""

from __future__ import annotations

import json

from mlserve.hub.app import application


def document() -> str:
    """The document, as it is checked in."""
    return json.dumps(application("").openapi(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    print(document(), end="")  # noqa: T201 - printing is what this is for
