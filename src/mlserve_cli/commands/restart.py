"""Replace the instances of a service, one at a time."""

from mlserve import connect
from mlserve_cli.follow import settle
from mlserve_cli.options import Name, NoWait, Output, Timeout, seconds
from mlserve_cli.render import Format, show
from mlserve_cli.show import changed


def command(name: Name, no_wait: NoWait = False, timeout: Timeout = None, output: Output = Format.table) -> None:
    """Restart a service."""
    seconds(timeout or "0")
    service = connect().services.get(name).restart()
    settle(service, no_wait=no_wait, timeout=timeout, undo=f"mlserve stop {name}")
    show(output, service.to_dict(), lambda: changed(service))
