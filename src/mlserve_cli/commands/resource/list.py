"""List the resource groups."""

from mlserve import connect
from mlserve_cli.options import Output
from mlserve_cli.render import Format, show


def command(output: Output = Format.table) -> None:
    """List the resource groups."""
    found = connect().resources.list()
    show(output, list(found), lambda: repr(found))
