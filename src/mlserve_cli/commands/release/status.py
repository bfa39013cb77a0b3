"""Show how a release goes: its steps, both versions' share of requests, errors and p95."""

from typing import Annotated

from typer import Option

from mlserve import connect
from mlserve_cli.options import Name, Output
from mlserve_cli.releases import shown, watch
from mlserve_cli.render import Format, show


def command(
    name: Name,
    follow: Annotated[bool, Option("-w", "--watch", help="Go on showing it until it has ended")] = False,
    output: Output = Format.table,
) -> None:
    """Show a release."""
    releases = connect().services.get(name).releases
    status = watch(releases) if follow else releases.status()
    show(output, dict(status), lambda: shown(status))
