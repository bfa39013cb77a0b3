"""Show a resource group: what it has and what is free."""

from typing import Annotated

from typer import Argument

from mlserve import connect
from mlserve_cli.options import Output
from mlserve_cli.render import Format, properties, show


def command(
    name: Annotated[str, Argument(metavar="NAME", help="The resource group")], output: Output = Format.table
) -> None:
    """Describe a resource group."""
    found = dict(connect().resources.get(name))
    facts = {**found, **(found.get("capacity") or {}), "capacity": None}
    show(output, found, lambda: properties(facts))
