"""Give all requests back to the version that served before, and end the new one."""

from mlserve import connect
from mlserve_cli.follow import settle
from mlserve_cli.options import Name, NoWait, Output, Timeout, seconds
from mlserve_cli.releases import shown
from mlserve_cli.render import Format, show


def command(name: Name, no_wait: NoWait = False, timeout: Timeout = None, output: Output = Format.table) -> None:
    """Abort a release."""
    seconds(timeout or "0")
    service = connect().services.get(name)
    service.releases.abort()
    settle(service.reload(), no_wait=no_wait, timeout=timeout, undo=f"mlserve update {name} FILE")
    status = service.releases.status()
    show(output, dict(status), lambda: shown(status))
