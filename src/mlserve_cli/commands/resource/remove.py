"""Forget a resource group that no service uses."""

from typing import Annotated

from typer import Argument

from mlserve import connect
from mlserve_cli.confirmation import confirm
from mlserve_cli.options import Output, Yes
from mlserve_cli.render import Format, show


def command(
    name: Annotated[str, Argument(metavar="NAME", help="The resource group")],
    yes: Yes = False,
    output: Output = Format.table,
) -> None:
    """Remove a resource group."""
    confirm(f'Forget the resource group "{name}"?', yes=yes)
    connect().resources.remove(name)
    show(output, {"name": name, "removed": True}, lambda: f"resource group {name} is forgotten")
