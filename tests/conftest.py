"""What tests share: a home of their own that ends with everything in it, a client, and small real models."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import settings

from tests.chaos.load import Failed
from tests.waiting import until

if TYPE_CHECKING:
    from mlserve.client import Client
    from tests.docker_engine import Engine, Sshd

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src"

settings.register_profile("any machine", settings(), deadline=None)  # how long an example takes is no matter of its
settings.load_profile("any machine")

LACKING: set[str] = set()
"""Reasons that begin with "needs": tests skipped because this machine lacks a part."""


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Failed requests as they show themselves: pytest would cut that to a line."""
    return left.shown() if isinstance(left, Failed) else None


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason.startswith("needs "):
            LACKING.add(reason)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where every part has to be there (CI), a test skipped for lack of one is a failure."""
    if LACKING and os.environ.get("MLSERVE_TESTS_NEED_ALL"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for reason in sorted(LACKING):
        terminalreporter.write_line(f"group of tests skipped: {reason}")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh MLSERVE_HOME, its gateway on a free port; whatever was started for it is ended by pid."""
    with home_in(tmp_path, monkeypatch) as home:
        yield home


@contextmanager
def home_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Such a home in a folder, for whoever wants it for longer than a test."""
    home = folder / "home"
    for name in [name for name in os.environ if name.startswith("MLSERVE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLSERVE_HOME", str(home))
    monkeypatch.setenv("MLSERVE_GATEWAY", "127.0.0.1:0")
    monkeypatch.setenv("PYTHONPATH", str(SRC))
    try:
        yield home
    finally:
        if home.exists():
            stop_everything(home)


@pytest.fixture
def client(home: Path) -> Iterator[Client]:
    """A client of the local hub, which starts with the first call."""
    import mlserve

    with mlserve.connect() as client:
        yield client


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[Engine]:
    """A Docker engine of the tests' own, with the base image; leave in it what you found."""
    from tests.docker_engine import base_image, engine

    with engine() as shared:
        base_image(shared)
        yield shared


@pytest.fixture
def fresh_engine() -> Iterator[Engine]:
    """An engine for one test, with the base image: to be killed, filled, or counted in."""
    from tests.docker_engine import base_image, engine

    with engine() as own:
        base_image(own)
        yield own


@pytest.fixture
def emptied(client: Client, docker_engine: Engine) -> Iterator[None]:
    """Afterwards the services are deleted, and what the engine kept for them goes, too: others count what is there."""
    yield
    for service in client.services.list():
        service.delete()
    with closing(docker_engine.client()) as engine:
        until(lambda: not engine.volumes.list(filters={"label": "mlserve.hub"}), "an engine without their volumes")


@pytest.fixture
def box(client: Client, docker_engine: Engine, emptied: None) -> Client:
    """A client whose hub has a resource group ``box``: the engine."""
    client.resources.add("box", "docker", {"host": docker_engine.host})
    return client


@pytest.fixture
def ssh_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """An ssh server that ssh, started here, finds as gpu-box; ask for it before ``client``, whose hub then knows it."""
    from tests.docker_engine import sshd

    with sshd() as server:
        monkeypatch.setenv("PATH", server.env["PATH"])
        yield server


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A real S3 service with the bucket ``models``."""
    from tests.s3_server import s3_server

    with s3_server() as server:
        yield server.endpoint


@pytest.fixture
def iris() -> Path:
    """The descriptor of the iris example."""
    return ROOT / "examples" / "iris" / "service.json"


@pytest.fixture(scope="session")
def sklearn_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scikit-learn pipeline of the iris data, saved with joblib."""
    import joblib

    path = tmp_path_factory.mktemp("sklearn") / "model.joblib"
    joblib.dump(_iris_pipeline(), path)
    return path


@pytest.fixture(scope="session")
def onnx_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pipeline as ONNX: input ``features`` [-1, 4], outputs ``label`` and ``probabilities``."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    features = [("features", FloatTensorType([None, 4]))]
    model = to_onnx(_iris_pipeline(), initial_types=features, options={"zipmap": False}, target_opset=17)
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(scope="session")
def xgboost_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few boosted trees on the breast-cancer data, saved in XGBoost's own format."""
    import xgboost
    from sklearn.datasets import load_breast_cancer

    features, labels = load_breast_cancer(return_X_y=True)
    path = tmp_path_factory.mktemp("xgboost") / "model.ubj"
    xgboost.XGBClassifier(n_estimators=5, max_depth=2, n_jobs=1).fit(features, labels).save_model(path)
    return path


def stop_everything(home: Path) -> None:
    """Stop hub, gateway and instances of a home; then end by pid whatever of it still runs."""
    command = [sys.executable, "-c", "from mlserve_cli.main import run; run()", "hub", "stop", "--all"]
    if (home / "hub.json").exists():
        subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    left = [process for process in psutil.process_iter() if _belongs(process, str(home))]
    for process in left:
        _kill(process)
    psutil.wait_procs(left, timeout=10)


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()


def _belongs(process: psutil.Process, home: str) -> bool:
    """Whether a process was started for the home: it has its path in its arguments or environment."""
    if process.pid == os.getpid():
        return False
    try:
        return any(home in text for text in (*process.cmdline(), *process.environ().values()))
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _iris_pipeline():  # type: ignore[no-untyped-def]
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features, labels = load_iris(return_X_y=True)
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(features, labels)
