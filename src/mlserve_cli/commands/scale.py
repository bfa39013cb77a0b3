"""Change how many instances a service has."""

from typing import Annotated

from typer import Argument

from mlserve import connect
from mlserve_cli.follow import settle
from mlserve_cli.options import Name, NoWait, Output, Timeout, seconds
from mlserve_cli.render import Format, show
from mlserve_cli.show import changed


def command(
    name: Name,
    instances: Annotated[int, Argument(min=0, metavar="N", help="How many instances there should be")],
    no_wait: NoWait = False,
    timeout: Timeout = None,
    output: Output = Format.table,
) -> None:
    """Scale a service."""
    seconds(timeout or "0")
    service = connect().services.get(name)
    before = (service.to_dict().get("wished") or {}).get("instances", "N")
    service.scale(instances)
    settle(service, no_wait=no_wait, timeout=timeout, undo=f"mlserve scale {name} {before}")
    show(output, service.to_dict(), lambda: changed(service))
