"""Show the log of the hub of this machine."""

from typing import Annotated

from typer import Option

from mlserve_cli.hub import log_lines
from mlserve_cli.options import Output
from mlserve_cli.render import Format, show, stream


def command(
    follow: Annotated[bool, Option("-f", "--follow", help="Go on with new lines as they come")] = False,
    tail: Annotated[int | None, Option("--tail", metavar="N", min=0, help="Only the last N lines")] = None,
    output: Output = Format.table,
) -> None:
    """Show the hub's log."""
    lines = log_lines(tail=tail, follow=follow)
    if follow or output is Format.table:
        stream(lines)
    else:
        show(output, list(lines), str)
