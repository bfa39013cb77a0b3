"""List the tokens that were issued, by what they open."""

from mlserve import connect
from mlserve_cli.options import Output
from mlserve_cli.render import Format, show


def command(output: Output = Format.table) -> None:
    """List the tokens; never the tokens themselves."""
    found = connect().tokens.list()
    show(
        output,
        [{**row, "scopes": [*row["scopes"]], "services": [*row["services"]]} for row in found],
        lambda: repr(found),
    )
