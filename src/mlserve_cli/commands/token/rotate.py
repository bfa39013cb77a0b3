"""Sign tokens with a new key from now on."""

from typing import Annotated

from typer import Option

from mlserve import connect
from mlserve_cli.confirmation import confirm
from mlserve_cli.options import Output
from mlserve_cli.render import Format, show


def command(
    remove: Annotated[bool, Option("--remove-old", help="End every token that the former keys signed")] = False,
    yes: Annotated[bool, Option("-y", "--yes", help="Don't ask")] = False,
    output: Output = Format.table,
) -> None:
    """Rotate the signing key; tokens that were issued go on until they expire."""
    if remove:
        confirm("End every token that was issued until now?", yes=yes)
    keys = dict(connect().tokens.rotate(remove=remove))
    left = "no token of a former key is taken" if remove else f"{len(keys['checking']) - 1} former keys still check"
    show(output, keys, lambda: f"key {keys['signing']} signs now; {left}")
