"""Show the instances of a service."""

from mlserve import connect
from mlserve_cli.options import Name, Output
from mlserve_cli.render import Format, show


def command(name: Name, output: Output = Format.table) -> None:
    """List the instances."""
    instances = connect().services.get(name).instances()
    show(output, list(instances), lambda: repr(instances))
