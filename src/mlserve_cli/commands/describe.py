"""Show all of one service: endpoint, token, a link for a browser, what really serves, drift, instances, warnings."""

from mlserve import connect
from mlserve_cli.options import Name, Output
from mlserve_cli.render import Format, show
from mlserve_cli.show import described


def command(name: Name, output: Output = Format.table) -> None:
    """Describe a service."""
    service = connect().services.get(name)
    link = service.link()
    show(output, {**service.to_dict(), "link": link}, lambda: described(service, link))
