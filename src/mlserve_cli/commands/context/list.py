"""List the contexts."""

from mlserve.client.tables import Table
from mlserve.context import home_directory, named
from mlserve_cli.options import Output
from mlserve_cli.render import Format, show


def command(output: Output = Format.table) -> None:
    """List the contexts; tokens are not shown."""
    home = home_directory()
    current = named.current(home)
    known = {"local": "", **{name: entry.hub for name, entry in named.read(home).items()}}
    rows = [{"name": name, "hub": hub, "current": name == (current or "local")} for name, hub in known.items()]
    show(output, rows, lambda: repr(Table(rows, ("name", "hub", "current"))))
