"""Share the requests of a service group among its members: by weights that add up to 100, or by ready instances."""

from typing import Annotated

from typer import Argument, Option

from mlserve import connect
from mlserve_cli.groups import shown
from mlserve_cli.options import Output, weights
from mlserve_cli.render import Format, show


def command(
    group: Annotated[str, Argument(metavar="GROUP", help="The group's name")],
    shares: Annotated[
        list[str] | None, Argument(metavar="MEMBER=PERCENT", help="Who is not named gets nothing")
    ] = None,
    auto: Annotated[bool, Option("--auto", help="By the number of ready instances again")] = False,
    standalone: Annotated[list[str] | None, Option("--standalone", metavar="MEMBER", help="It gets nothing")] = None,
    join: Annotated[list[str] | None, Option("--join", metavar="MEMBER", help="It is counted again")] = None,
    sticky: Annotated[
        str | None,
        Option("--sticky", metavar="WHAT", help="header:NAME, cookie:NAME, or none: who stays with a member"),
    ] = None,
    output: Output = Format.table,
) -> None:
    """Share a group's requests."""
    stuck = "" if sticky == "none" else sticky
    found = connect().groups.traffic(
        group, weights(shares or []), auto=auto, standalone=standalone or [], join=join or [], sticky=stuck
    )
    show(output, found.to_dict(), lambda: shown(found))
