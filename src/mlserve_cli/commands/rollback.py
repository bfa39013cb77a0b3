"""Go back to a version that served before: at once while its instances are kept, never a build."""

from typing import Annotated

from typer import Argument

from mlserve import connect
from mlserve_cli.follow import settle
from mlserve_cli.options import Name, NoWait, Output, Timeout, seconds
from mlserve_cli.render import Format, show
from mlserve_cli.show import changed


def command(
    name: Name,
    version: Annotated[
        int | None, Argument(min=1, metavar="VERSION", help="Which one; without it the one before")
    ] = None,
    no_wait: NoWait = False,
    timeout: Timeout = None,
    output: Output = Format.table,
) -> None:
    """Roll a service back."""
    seconds(timeout or "0")
    service = connect().services.get(name)
    now = service.version
    service.rollback(version)
    settle(service, no_wait=no_wait, timeout=timeout, undo=f"mlserve rollback {name} {now}")
    show(output, service.to_dict(), lambda: changed(service))
