"""Show all of a service, or who shares a group: endpoint, token, a browser link, what serves, instances, warnings."""

from mlserve import connect
from mlserve_cli import groups
from mlserve_cli.options import Name, Output
from mlserve_cli.render import Format, show
from mlserve_cli.show import described


def command(name: Name, output: Output = Format.table) -> None:
    """Describe a service or a group of them."""
    hub = connect()
    if group := hub.groups.find(name):
        show(output, group.to_dict(), lambda: groups.shown(group))
        return
    service = hub.services.get(name)
    link = service.link()
    show(output, {**service.to_dict(), "link": link}, lambda: described(service, link))
