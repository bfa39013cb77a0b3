"""Let a release's step pass, whatever is left of its time."""

from mlserve import connect
from mlserve_cli.options import Name, Output
from mlserve_cli.releases import shown
from mlserve_cli.render import Format, show


def command(name: Name, output: Output = Format.table) -> None:
    """Promote a release."""
    status = connect().services.get(name).releases.promote()
    show(output, dict(status), lambda: shown(status))
