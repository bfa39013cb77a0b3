"""What an image may be called."""

from __future__ import annotations

import pytest

from mlserve.errors import InvalidInput
from mlserve.images.naming import named


@pytest.mark.parametrize(
    ("wished", "name"),
    [
        ("", "mlserve/iris:7"),
        ("iris", "iris:7"),
        ("iris:1", "iris:1"),
        ("iris:2024", "iris:2024"),
        ("iris:Latest-1.0", "iris:Latest-1.0"),
        ("team/iris", "team/iris:7"),
        ("localhost/iris", "localhost/iris:7"),
        ("localhost:5000/iris", "localhost:5000/iris:7"),
        ("box:5000/team/iris:3", "box:5000/team/iris:3"),
        ("Registry.Example.com/a_b/c-d", "Registry.Example.com/a_b/c-d:7"),
        ("127.0.0.1:5000/iris:3", "127.0.0.1:5000/iris:3"),
    ],
)
def test_the_tag_is_the_version_unless_there_is_one(wished: str, name: str) -> None:
    assert named(wished, "iris", 7) == name


@pytest.mark.parametrize(
    "wished",
    ["Iris:1", "Team/iris", "-iris", ".iris/a", "iris:", "iris:-1", "a//b", "r.io:5000/Iris", "iris 1", "i:1\n"],
)
def test_what_no_engine_takes_is_refused_before_anything_is_built(wished: str) -> None:
    with pytest.raises(InvalidInput, match="is no name for an image"):
        named(wished, "iris", 7)
