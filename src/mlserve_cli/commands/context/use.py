"""Make a context the current one; "local" is the hub of this machine."""

from typing import Annotated

from typer import Argument

from mlserve.context import home_directory, named
from mlserve_cli.options import Output
from mlserve_cli.render import Format, show


def command(
    name: Annotated[str, Argument(metavar="NAME", help="The context's name")], output: Output = Format.table
) -> None:
    """Use a context."""
    named.use(home_directory(), name)
    show(output, {"current": name}, lambda: f"{name} is the current context")
