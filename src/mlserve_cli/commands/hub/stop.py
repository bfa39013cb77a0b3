"""Stop the hub; what it serves goes on unless --all is given."""

from typing import Annotated

from typer import Option

from mlserve_cli.hub import stop
from mlserve_cli.options import Output
from mlserve_cli.render import Format, show


def command(
    all: Annotated[bool, Option("--all", help="End its services and gateway, too")] = False,
    output: Output = Format.table,
) -> None:
    """Stop the hub."""
    stopped = stop(all)
    left = ", its gateway and services, too" if all else "; what it serves goes on"
    show(output, {"stopped": stopped}, lambda: f"the hub has ended{left}" if stopped else "no hub runs")
