"""Add a backend under a name, for metadata.resource to pick."""

from typing import Annotated

from typer import Argument, Option

from mlserve import connect
from mlserve_cli.options import Output, settings
from mlserve_cli.render import Format, show


def command(
    name: Annotated[str, Argument(metavar="NAME", help="What to call it")],
    backend: Annotated[str, Argument(metavar="BACKEND", help="local, or another kind that the hub has")],
    option: Annotated[
        list[str] | None, Option("--option", metavar="NAME=VALUE", help="name=value; may be repeated")
    ] = None,
    output: Output = Format.table,
) -> None:
    """Add a resource group."""
    added = dict(connect().resources.add(name, backend, settings(option or [])))
    show(output, added, lambda: f"resource group {name} is a {backend} backend")
