"""Show a resource group: what it has and what is free."""

from typing import Annotated

from mlserve import connect
from mlserve_cli.options import Output
from mlserve_cli.render import Format, properties, show
from mlserve_cli.signature import Argument


def command(name: Annotated[str, Argument(help="The resource group")], output: Output = Format.table) -> None:
    """Describe a resource group."""
    found = dict(connect().resources.get(name))
    facts = {**found, **(found.get("capacity") or {}), "capacity": None}
    show(output, found, lambda: properties(facts))
