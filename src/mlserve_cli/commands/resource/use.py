"""Make a resource group the default one, which an empty metadata.resource means."""

from typing import Annotated

from typer import Argument

from mlserve import connect
from mlserve_cli.options import Output
from mlserve_cli.render import Format, show


def command(
    name: Annotated[str, Argument(metavar="NAME", help="The resource group")], output: Output = Format.table
) -> None:
    """Choose the default resource group; services that are there stay where they are."""
    used = dict(connect().resources.use(name))
    show(output, used, lambda: f"new services without a resource run on {name}")
