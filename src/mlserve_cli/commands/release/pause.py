"""Keep a release at its step; errors still end it."""

from mlserve import connect
from mlserve_cli.options import Name, Output
from mlserve_cli.releases import shown
from mlserve_cli.render import Format, show


def command(name: Name, output: Output = Format.table) -> None:
    """Pause a release."""
    status = connect().services.get(name).releases.pause()
    show(output, dict(status), lambda: shown(status))
