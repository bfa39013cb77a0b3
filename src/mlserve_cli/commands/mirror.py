"""Send copies of a service's requests to another one, whose answers are thrown away; or end that."""

from typing import Annotated

from typer import Option

from mlserve import connect
from mlserve.errors import InvalidInput
from mlserve_cli.options import Name, Output
from mlserve_cli.render import Format, show
from mlserve_cli.show import mirrored


def command(
    name: Name,
    to: Annotated[str, Option("--to", metavar="OTHER", help="The service that gets them")] = "",
    percent: Annotated[int, Option("--percent", metavar="N", help="Of how many requests in a hundred")] = 100,
    off: Annotated[bool, Option("--off", help="Send no more copies")] = False,
    output: Output = Format.table,
) -> None:
    """Mirror a service."""
    if off == bool(to):
        raise InvalidInput("a mirror is either begun or ended", hint=f"mlserve mirror {name} --to OTHER, or --off")
    service = connect().services.get(name)
    service.mirror_to(to, percent) if to else service.end_mirror()
    show(output, service.to_dict(), lambda: f"{name}: {mirrored(service.mirror) or 'no mirror'}")
