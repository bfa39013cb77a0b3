"""Create a service from a descriptor and wait until it answers."""

from mlserve import connect
from mlserve_cli import report
from mlserve_cli.follow import settle, uploading
from mlserve_cli.options import Changes, File, NoWait, Output, Safe, Timeout, changes, seconds
from mlserve_cli.render import Format, show
from mlserve_cli.show import created


def command(
    file: File,
    set: Changes = None,
    require_safe: Safe = False,
    no_wait: NoWait = False,
    timeout: Timeout = None,
    output: Output = Format.table,
) -> None:
    """Create a service."""
    seconds(timeout or "0")
    with uploading() as on_upload:
        service = connect().services.create(file, set=changes(set, require_safe), on_upload=on_upload)
    report.warnings(service.to_dict().get("warnings") or ())
    service = settle(service, no_wait=no_wait, timeout=timeout, undo=f"mlserve delete {service.name}")
    show(output, service.to_dict(), lambda: created(service))
