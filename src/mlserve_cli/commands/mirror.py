"""Send copies of a service's requests to another one, show how its answers differ, or end that."""

from typing import Annotated

from typer import Option

from mlserve import connect
from mlserve.errors import InvalidInput
from mlserve_cli.mirrors import report
from mlserve_cli.options import Name, Output
from mlserve_cli.render import Format, show


def command(
    name: Name,
    to: Annotated[str, Option("--to", metavar="OTHER", help="The service that gets them")] = "",
    percent: Annotated[int, Option("--percent", metavar="N", help="Of how many requests in a hundred")] = 100,
    off: Annotated[bool, Option("--off", help="Send no more copies")] = False,
    output: Output = Format.table,
) -> None:
    """Mirror a service, or show its mirror."""
    if off and to:
        raise InvalidInput("--to and --off can't be used together", hint=f"mlserve mirror {name} --to OTHER, or --off")
    service = connect().services.get(name)
    if to or off:
        service.mirror_to(to, percent) if to else service.end_mirror()
    show(output, service.to_dict(), lambda: f"{name}: {report(service)}")
