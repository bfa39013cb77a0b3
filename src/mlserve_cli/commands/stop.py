"""End all instances of a service and keep it."""

from mlserve import connect
from mlserve_cli.follow import settle
from mlserve_cli.options import Name, NoWait, Output, Timeout, seconds
from mlserve_cli.render import Format, show
from mlserve_cli.show import changed


def command(name: Name, no_wait: NoWait = False, timeout: Timeout = None, output: Output = Format.table) -> None:
    """Stop a service."""
    seconds(timeout or "0")
    service = connect().services.get(name).stop()
    settle(service, no_wait=no_wait, timeout=timeout, undo=f"mlserve start {name}")
    show(output, service.to_dict(), lambda: changed(service))
