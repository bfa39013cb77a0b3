"""List the services."""

from mlserve import connect
from mlserve_cli.options import Output
from mlserve_cli.render import Format, show


def command(output: Output = Format.table) -> None:
    """List the services."""
    services = connect().services.list()
    show(output, [service.to_dict() for service in services], lambda: repr(services))
