"""Forget a context."""

from typing import Annotated

from typer import Argument

from mlserve.context import home_directory, named
from mlserve_cli.options import Output
from mlserve_cli.render import Format, show


def command(
    name: Annotated[str, Argument(metavar="NAME", help="The context's name")], output: Output = Format.table
) -> None:
    """Remove a context."""
    named.remove(home_directory(), name)
    show(output, {"name": name, "removed": True}, lambda: f"context {name} is forgotten")
