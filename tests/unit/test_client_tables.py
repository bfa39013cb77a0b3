"""What the SDK shows of images, in a notebook and on a terminal."""

from __future__ import annotations

from typing import Any, cast

import pytest

from mlserve.client import Service
from mlserve.client.answer import Answer
from mlserve.client.images import Image
from mlserve.client.plan import Plan
from mlserve.management import Management


def test_the_size_of_an_image_is_shown_in_mb_and_kept_in_bytes() -> None:
    image = Image({"image": "mlserve/iris:1", "digest": "sha256:0a", "size": 637_070_298, "layers": 6})
    assert "637 MB" in repr(image)
    assert "637 MB" in image._repr_html_()
    assert image.size == 637_070_298


def service(version: int, target: int, wished: int, *ready: int) -> Service:
    """``ready``: the versions of its ready instances."""
    instances = [{"version": number, "state": "Ready"} for number in ready]
    data: dict[str, Any] = {"name": "iris", "version": version, "wished": {"instances": wished, "version": target}}
    return Service(cast(Management, None), {**data, "instances": [*instances, {"version": target, "state": "Loading"}]})


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (service(2, 2, 1, 1, 2), "1/1"),  # version 1 is kept for a roll-back
        (service(1, 2, 1, 1, 2), "1/1"),  # version 2 is about to take over
        (service(1, 2, 3, 1, 1, 2), "3/3"),  # one by one
        (service(1, 2, 3, 1, 2), "2/3"),
        (service(1, 1, 1, 1, 1), "2/1"),  # scaled down a moment ago
    ],
)
def test_of_the_ready_instances_those_of_a_kept_version_do_not_count(found: Service, shown: str) -> None:
    assert found.row()[3] == shown


@pytest.mark.parametrize(("kind", "called"), [(Image, "an image"), (Plan, "a plan")])
def test_what_the_hub_did_not_say_of_a_thing_is_told_with_what_it_did(kind: type[Answer], called: str) -> None:
    found = kind({"name": "iris"})
    assert (found.name, found.to_dict()) == ("iris", {"name": "iris"})
    with pytest.raises(AttributeError, match=f"{called} has no 'colour' \\(it has name\\)"):
        _ = found.colour
