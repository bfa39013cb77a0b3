"""Start the hub of this machine, where it does not run."""

from typing import Annotated

from typer import Option

from mlserve_cli.hub import start
from mlserve_cli.options import Output, whole
from mlserve_cli.render import Format, properties, show


def command(
    gateway: Annotated[str | None, Option("--gateway", metavar="HOST:PORT", help="Where it takes requests")] = None,
    listen: Annotated[str, Option("--listen", metavar="HOST:PORT", help="Where other machines may reach it")] = "",
    tls_cert: Annotated[str, Option("--tls-cert", metavar="FILE", help="Certificate of hub and gateway, as PEM")] = "",
    tls_key: Annotated[str, Option("--tls-key", metavar="FILE", help="Its key; both are read anew when replaced")] = "",
    insecure: Annotated[bool, Option("--insecure", help="Listen for other machines without TLS")] = False,
    output: Output = Format.table,
) -> None:
    """Start the hub; what is said here holds for later starts, too."""
    files = {"--tls-cert": whole(tls_cert), "--tls-key": whole(tls_key)}
    told = [part for name, value in {"--listen": listen, **files}.items() if value for part in (name, value)]
    status = dict(start(gateway, [*told, *(["--insecure"] if insecure else [])]))
    show(output, status, lambda: properties(status))
