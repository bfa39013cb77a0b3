"""Keep a hub's address and token under a name."""

from typing import Annotated

from typer import Argument, Option

from mlserve.context import home_directory, named
from mlserve_cli.options import Output
from mlserve_cli.render import Format, show


def command(
    name: Annotated[str, Argument(metavar="NAME", help="What to call it")],
    hub: Annotated[str, Argument(metavar="HUB", help="The hub's address, e.g. https://gpu-box:8443")],
    token: Annotated[str, Option("--token", metavar="TOKEN", envvar="MLSERVE_TOKEN", help="The hub's token")] = "",
    use: Annotated[bool, Option("--use", help="Make it the current one")] = False,
    output: Output = Format.table,
) -> None:
    """Add a context."""
    named.add(home_directory(), name, named.context(hub, token), use=use)
    show(output, {"name": name, "hub": hub, "current": use}, lambda: f"context {name} is {hub}")
