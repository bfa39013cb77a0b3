"""Compare the members of a group, or both versions of a release, by what callers told of their answers (A/B)."""

from typing import Annotated

from typer import Argument, Option

from mlserve import connect
from mlserve_cli import report
from mlserve_cli.options import Output, seconds
from mlserve_cli.render import Format, show


def command(
    name: Annotated[str, Argument(metavar="NAME", help="The group or service")],
    metric: Annotated[str, Option("--metric", metavar="NAME", help='The "name" of the feedback')] = "reward",
    since: Annotated[str | None, Option("--since", metavar="TIME", help="Requests of this time only, e.g. 2h")] = None,
    control: Annotated[str, Option("--control", metavar="ARM", help="Whom the others are compared with")] = "",
    output: Output = Format.table,
) -> None:
    """Compare arms."""
    span = seconds(since) if since else None
    found = connect().find(name).ab(metric=metric, since=span, control=control)
    show(output, found.to_dict(), lambda: repr(found))
    report.warnings({"message": warning} for warning in found.warnings)
