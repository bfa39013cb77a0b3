"""Make a token for requests to services, or for looking after them."""

from typing import Annotated

from typer import Option

from mlserve import connect
from mlserve_cli import report
from mlserve_cli.options import Output, seconds
from mlserve_cli.render import Format, properties, show


def command(
    service: Annotated[
        list[str], Option("--service", metavar="NAME", help="What it opens, 'fraud*' for all that begin so; repeatable")
    ],
    scope: Annotated[
        list[str] | None, Option("--scope", metavar="SCOPE", help="evaluate (requests) or manage; repeatable")
    ] = None,
    expires: Annotated[str, Option("--expires", metavar="TIME", help="How long it lives, e.g. 12h")] = "30d",
    label: Annotated[str, Option("--label", metavar="TEXT", help="What it is for, to find it again")] = "",
    rate_limit: Annotated[int, Option("--rate-limit", metavar="N", min=0, help="Requests a second it may make")] = 0,
    output: Output = Format.table,
) -> None:
    """Create a token; it is shown once."""
    scopes = scope or ["evaluate"]
    tokens, until = connect().tokens, seconds(expires)
    made = dict(tokens.create(service, scopes=scopes, expires=until, label=label, rate_limit=rate_limit))
    facts = {"token": made["token"], "id": made["id"], "opens": ", ".join(made["services"])}
    show(output, made, lambda: properties({**facts, "for": ", ".join(made["scopes"]), "until": made["expires_at"]}))
    report.note("copy it now: the hub keeps no token and can't show it again")
