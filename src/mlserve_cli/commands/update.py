"""Make a new version of a service; the old one serves until it is ready."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from typer import Argument

from mlserve import connect
from mlserve.client.waiting import waits_for_somebody
from mlserve.errors import InvalidInput
from mlserve_cli import report
from mlserve_cli.follow import settle, uploading
from mlserve_cli.options import Changes, Name, NoWait, Output, Safe, Strategy, Timeout, changes, seconds
from mlserve_cli.render import Format, show
from mlserve_cli.show import changed


def command(
    name: Name,
    file: Annotated[
        Path | None, Argument(metavar="FILE", help="The new descriptor; without it, --set changes the newest version's")
    ] = None,
    set: Changes = None,
    require_safe: Safe = False,
    strategy: Strategy = "",
    no_wait: NoWait = False,
    timeout: Timeout = None,
    output: Output = Format.table,
) -> None:
    """Update a service."""
    seconds(timeout or "0")
    if file is None and not set and not require_safe:
        raise InvalidInput("nothing to change", hint="give a descriptor's FILE, or --set metadata.cpu=2")
    with uploading() as on_upload:
        service = connect().services.get(name)
        before = service.to_dict().get("wished") or {}
        service = service.update(file, set=changes(set, require_safe), strategy=strategy, on_upload=on_upload)
    report.warnings(service.to_dict().get("warnings") or ())
    _say_what_changed(before, service.to_dict().get("wished") or {})
    service = settle(service, no_wait=no_wait, timeout=timeout, undo=f"mlserve release abort {name}")
    if waits_for_somebody(service.to_dict()):
        report.note(
            f"the release waits: mlserve release promote {name} goes on, mlserve release abort {name} goes back"
        )
    show(output, service.to_dict(), lambda: changed(service))


def _say_what_changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """What a person may not expect: the same again makes no version, another count than before is a scale."""
    if before.get("instances") != now.get("instances"):
        report.note(f"instances: {before.get('instances')} before, {now.get('instances')} by metadata.instance")
    elif before.get("version") == now.get("version"):
        report.note(f"nothing new: the descriptor and its files are those of version {now.get('version')}")
