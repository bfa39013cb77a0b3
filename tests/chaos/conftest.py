"""What chaos shares: the table of a run, and a home for all tests of a module, so that nothing is prepared twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chaos.table import Table
from tests.conftest import home_in

import mlserve
from mlserve.client import Client


@pytest.fixture(scope="session")
def table() -> Iterator[Table]:
    """Printed at the end, and written to the file that MLSERVE_CHAOS_TABLE names."""
    path = os.environ.get("MLSERVE_CHAOS_TABLE")
    measured = Table()
    yield measured
    print(f"\n{measured}")
    if path:
        Path(path).write_text(str(measured))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The MLSERVE_HOME of all tests of a module."""
    with pytest.MonkeyPatch.context() as patch, home_in(tmp_path_factory.mktemp("shared"), patch) as home:
        yield home


@pytest.fixture
def hub(shared: Path) -> Iterator[Client]:
    """A client of the module's hub, or of the next one where a test before has killed it."""
    with mlserve.connect() as client:
        yield client
