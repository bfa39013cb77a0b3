"""Show the versions of a service."""

from mlserve import connect
from mlserve_cli.options import Name, Output
from mlserve_cli.render import Format, show


def command(name: Name, output: Output = Format.table) -> None:
    """List the versions."""
    versions = connect().services.get(name).versions()
    show(output, list(versions), lambda: repr(versions))
