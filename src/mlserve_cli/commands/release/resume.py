"""Let a paused release go on; the pause does not count."""

from mlserve import connect
from mlserve_cli.options import Name, Output
from mlserve_cli.releases import shown
from mlserve_cli.render import Format, show


def command(name: Name, output: Output = Format.table) -> None:
    """Resume a release."""
    status = connect().services.get(name).releases.resume()
    show(output, dict(status), lambda: shown(status))
