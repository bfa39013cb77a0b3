"""Show all of a service, or who shares a group: endpoint, token, a browser link, what serves, instances, warnings."""

from mlserve import connect
from mlserve.client.groups import Group
from mlserve_cli import groups
from mlserve_cli.options import Name, Output
from mlserve_cli.render import Format, show
from mlserve_cli.show import described


def command(name: Name, output: Output = Format.table) -> None:
    """Describe a service or a group of them."""
    found = connect().find(name)
    link = found.link()
    if isinstance(found, Group):
        show(output, {**found.to_dict(), "link": link}, lambda: groups.shown(found, link))
        return
    show(output, {**found.to_dict(), "link": link}, lambda: described(found, link))
