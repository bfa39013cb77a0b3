"""Show who did what to a service, and when."""

from typing import Annotated

from typer import Argument

from mlserve import connect
from mlserve_cli.options import Output
from mlserve_cli.render import Format, show


def command(
    name: Annotated[str | None, Argument(metavar="NAME", help="The service, also a former one; none: the hub")] = None,
    output: Output = Format.table,
) -> None:
    """List events, newest first; token ids, never tokens."""
    found = connect().events(name)
    show(output, list(found), lambda: repr(found) if len(found) else "nothing was done yet")
