"""Check a descriptor, its files, its model and the capacity for it; starts nothing."""

from typing import Annotated

from typer import Option

from mlserve import connect
from mlserve_cli.options import Changes, File, Output, Safe, changes
from mlserve_cli.render import Format, show
from mlserve_cli.verdict import judged, reject_invalid, verdict_text


def command(
    file: File,
    set: Changes = None,
    require_safe: Safe = False,
    no_fetch: Annotated[bool, Option("--no-fetch", help="Check the descriptor alone")] = False,
    output: Output = Format.table,
) -> None:
    """Validate a descriptor; exit 2 where it is wrong."""
    found = judged(lambda: connect().validate(file, set=changes(set, require_safe), fetch=not no_fetch))
    show(output, found, lambda: verdict_text(found))
    reject_invalid(found)
