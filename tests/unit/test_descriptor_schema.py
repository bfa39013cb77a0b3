"""The checked-in JSON schema is the models', and takes what the parser takes."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from mlserve.descriptor import read_file
from mlserve.descriptor.schema import schema, text

ROOT = Path(__file__).parent.parent.parent


def test_the_checked_in_schema_is_the_generated_one() -> None:
    command = "python -m mlserve.descriptor.schema > schemas/service.schema.json"
    assert (ROOT / "schemas" / "service.schema.json").read_text() == text(), f"run: {command}"


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "data" / "eas").iterdir()), ids=lambda path: path.stem)
def test_published_shapes_satisfy_the_schema(path: Path) -> None:
    jsonschema.Draft202012Validator(schema()).validate(read_file(path))


def test_an_unknown_field_does_not_satisfy_the_schema() -> None:
    for wrong in ({"name": "a", "procesor": "x"}, {"name": "a", "metadata": {"instnce": 1}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema()).validate(wrong)
