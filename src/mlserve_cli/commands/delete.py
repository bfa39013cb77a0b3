"""End and forget a service, its versions and logs."""

from mlserve import connect
from mlserve_cli.confirmation import confirm
from mlserve_cli.follow import until_deleted
from mlserve_cli.options import Name, NoWait, Output, Timeout, Yes, seconds
from mlserve_cli.render import Format, show


def command(
    name: Name, yes: Yes = False, no_wait: NoWait = False, timeout: Timeout = None, output: Output = Format.table
) -> None:
    """Delete a service."""
    seconds(timeout or "0")
    service = connect().services.get(name)
    confirm(f'Delete "{name}", its versions and logs?', yes=yes)
    until_deleted(service, no_wait=no_wait, timeout=timeout)
    show(
        output, {"name": name, "deleted": not no_wait}, lambda: f"{name} is {'being deleted' if no_wait else 'deleted'}"
    )
