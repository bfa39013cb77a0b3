"""What CI and developers run. `nox` alone: lint, tests, docs, chaos; `nox -s schemas` and `nox -s bench` on request."""

from __future__ import annotations

from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "tests", "docs", "chaos"]

PROJECT = nox.project.load_toml("pyproject.toml")
GENERATED = {
    "schemas/service.schema.json": "mlserve.descriptor.schema",
    "schemas/hub.openapi.json": "mlserve.hub.openapi",
}
"""Each is what its module prints."""
TWO = ("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder")
"""What has pytest run two files at a time, in the order in which they are named."""
TABLE_START = "<!-- commands: python -m mlserve_cli.table -->\n"
TABLE_END = "<!-- end of commands -->\n"


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, who imports whom, and whether the schemas are those of the code."""
    install(session, "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    session.run("lint-imports", "--no-cache")
    for path, text in generated(session).items():
        if Path(path).read_text(encoding="utf-8") != text:
            session.error(f"{path} is not what the code says: run nox -s schemas")


@nox.session
def tests(session: nox.Session) -> None:
    """Two files at a time, since most tests wait, the long ones first; then those that need the machine alone."""
    install(session, "test")
    run_tests(
        session, ("tests/walk", "tests/contract", "tests/unit", "-m", "not alone", *TWO), ("tests/walk", "-m", "alone")
    )


@nox.session
def docs(session: nox.Session) -> None:
    """README typed as it stands, every example, the notebook."""
    install(session, "test")
    run_tests(session, ("tests/docs",))


@nox.session
def chaos(session: nox.Session) -> None:
    """Kill things under load."""
    install(session, "test")
    run_tests(session, ("tests/chaos",))


@nox.session
def schemas(session: nox.Session) -> None:
    """Write the schemas and the README's table of commands anew."""
    install(session)
    for path, text in generated(session).items():
        Path(path).write_text(text, encoding="utf-8")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure; prints the rows of the README's table."""
    install(session)  # without the model libraries: instances have environments of their own, as for a user
    session.run("python", "-m", "benchmarks", *session.posargs)


def run_tests(session: nox.Session, *parts: tuple[str, ...]) -> None:
    """Each part whatever became of those before, or the paths that were named, and leave ``.ci/summary.py`` reports."""
    named = any(argument.startswith("tests/") for argument in session.posargs)
    failed = 0
    for number, part in enumerate([()] if named else parts, start=1):
        report = f"--junitxml=.reports/{session.name}-{number}.xml"
        try:
            session.run("pytest", report, "--tb=short", *part, *session.posargs)
        except CommandFailed:
            failed += 1
    if failed:
        session.error(f"pytest failed {failed} times")


def install(session: nox.Session, *groups: str) -> None:
    """The project as it is here, with what the groups of pyproject.toml name."""
    session.install("-e", ".", *nox.project.dependency_groups(PROJECT, *groups))


def generated(session: nox.Session) -> dict[str, str]:
    """What each generated file has to hold."""
    printed = {path: printed_by(session, module) for path, module in GENERATED.items()}
    before, start, rest = Path("README.md").read_text(encoding="utf-8").partition(TABLE_START)
    end = rest[rest.index(TABLE_END) :]
    return {**printed, "README.md": f"{before}{start}{printed_by(session, 'mlserve_cli.table').strip()}\n{end}"}


def printed_by(session: nox.Session, module: str) -> str:
    """The standard output of a module."""
    return str(session.run("python", "-m", module, silent=True, stderr=None))
