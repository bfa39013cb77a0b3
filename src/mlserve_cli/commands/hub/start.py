"""Start the hub of this machine, where it does not run."""

from typing import Annotated

from typer import Option

from mlserve_cli.hub import start
from mlserve_cli.options import Output
from mlserve_cli.render import Format, properties, show


def command(
    gateway: Annotated[str | None, Option("--gateway", metavar="HOST:PORT", help="Where it takes requests")] = None,
    output: Output = Format.table,
) -> None:
    """Start the hub."""
    status = dict(start(gateway))
    show(output, status, lambda: properties(status))
