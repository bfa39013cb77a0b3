"""Show version, addresses and home of the hub; exit 6 where none runs."""

from mlserve_cli.hub import status
from mlserve_cli.options import Output
from mlserve_cli.render import Format, properties, show


def command(output: Output = Format.table) -> None:
    """Show the hub."""
    found = dict(status())
    show(output, found, lambda: properties(found))
