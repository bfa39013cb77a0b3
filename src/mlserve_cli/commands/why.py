"""Show why a service failed: phase, reason, frames, log, what to try."""

from mlserve import connect
from mlserve_cli.failure import render
from mlserve_cli.options import Name, Output
from mlserve_cli.render import Format, show


def command(name: Name, output: Output = Format.table) -> None:
    """Explain the newest failure; with -o json all of them."""
    failures = connect().services.get(name).why()
    show(
        output,
        {"name": name, "failures": list(failures)},
        lambda: render(failures[0]) if failures else f"{name} has not failed",
    )
