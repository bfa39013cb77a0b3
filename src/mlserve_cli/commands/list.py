"""List the services."""

from mlserve import connect
from mlserve_cli import report
from mlserve_cli.options import Output
from mlserve_cli.render import Format, show


def command(output: Output = Format.table) -> None:
    """List the services."""
    services = connect().services.list()
    if not services and output is Format.table:
        report.note("no services yet: mlserve create FILE makes one")
    found = [service.to_dict() for service in services]
    away = [f"{one['name']}: {one['reason']}" for one in found if one.get("reason")]
    show(output, found, lambda: "\n".join([repr(services), *away]))
