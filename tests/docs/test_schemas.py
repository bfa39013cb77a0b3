"""The schemas in the repository are those of the code."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from tests.docs.pages import ROOT

GENERATED = ast.literal_eval(
    next(
        node.value
        for node in ast.parse((ROOT / "noxfile.py").read_text()).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "GENERATED"
    )
)


@pytest.mark.parametrize(("path", "module"), GENERATED.items())
def test_a_schema_is_the_generated_one(path: str, module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module], capture_output=True, text=True, check=True)
    assert (ROOT / path).read_text() == done.stdout, "run nox -s schemas"
