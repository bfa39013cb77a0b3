"""End a token before its time."""

from typing import Annotated

from typer import Argument

from mlserve import connect
from mlserve_cli.options import Output
from mlserve_cli.render import Format, show


def command(
    id: Annotated[str, Argument(metavar="ID", help="The token's id, as mlserve token list shows it")],
    output: Output = Format.table,
) -> None:
    """Revoke a token, in force at once."""
    ended = dict(connect().tokens.revoke(id))
    show(output, ended, lambda: f"token {id} opens nothing any more")
