"""The last words of a whole check: every failure is named in them, and they stay short."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / ".ci" / "summary.py"
TESTS = """
import pytest
def test_good(): pass
def test_bad(): assert list(range(2000)) == list(range(1, 2001))
@pytest.fixture
def broken(): raise OSError("no room")
def test_without_its_fixture(broken): pass
@pytest.mark.parametrize("number", range(3))
def test_left_out(number): pytest.skip("needs a moon")
"""


def last_words(folder: Path, **results: str) -> str:
    """After sessions with these results."""
    sessions = [{"name": name, "result": result, "duration": 61.4} for name, result in results.items()]
    (folder / "nox.json").write_text(json.dumps({"sessions": sessions}))
    done = subprocess.run([sys.executable, SCRIPT, folder], capture_output=True, text=True, check=True)
    return done.stdout


def reported(folder: Path, text: str, *arguments: str) -> None:
    """Have pytest run these tests; its report lies in the folder then."""
    (folder / "tests").mkdir()
    (folder / "tests" / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", f"--junitxml={folder}/tests-1.xml", "-p", "no:cacheprovider", *arguments]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # it starts in a tenth of the time
    subprocess.run([*command, "tests"], cwd=folder, env=alone, capture_output=True, check=False)


def test_failures_counts_skips_and_slow_tests_are_told(tmp_path: Path) -> None:
    reported(tmp_path, TESTS)
    said = last_words(tmp_path, lint="success", tests="failed")
    assert "lint     ok         61 s\n" in said
    assert "tests    FAILED     61 s  1 passed, 2 failed, 3 skipped\n" in said
    assert "FAILED tests/test_it.py::test_bad\n     assert [0, 1, 2" in said
    assert "[tests/test_it.py:4]" in said, "where"
    assert "FAILED tests/test_it.py::test_without_its_fixture\n" in said
    assert "no room" in said
    assert said.count("needs a moon") == 1
    assert "3 skipped: " in said
    assert "s  tests/test_it.py::test_good" in said.partition("slowest")[2]


def test_many_failures_are_short_too_and_none_is_left_uncounted(tmp_path: Path) -> None:
    many = 'import pytest\n@pytest.mark.parametrize("n", range(200))\ndef test_it(n): assert "x" * 9999 == n\n'
    reported(tmp_path, many, "--tb=no", "-q")
    said = last_words(tmp_path, tests="failed")
    assert len(said) <= 6001
    shown = said.count("---- FAILED")
    assert 5 < shown < 50
    assert f"---- {200 - shown} more: " in said
    assert "slowest" in said


def test_a_session_that_failed_without_a_test_is_told_by_its_last_lines(tmp_path: Path) -> None:
    log = "nox > Running session lint\nF401 unused\nnox > Session lint failed.\nnox > Running session tests\nall fine\n"
    (tmp_path / "log").write_text(log)
    said = last_words(tmp_path, lint="failed", tests="failed", docs="success")
    assert "---- lint failed, and no test of it; it ended with:\nF401 unused\n" in said
    assert "---- tests failed, and no test of it; it ended with:\nall fine\n" in said
    assert "docs failed" not in said
