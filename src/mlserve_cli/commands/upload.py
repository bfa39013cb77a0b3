"""Put a file or folder where a descriptor can name it, and print that address."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from mlserve import connect
from mlserve_cli.follow import transferring, uploading
from mlserve_cli.options import Output
from mlserve_cli.render import Format, show


def command(
    path: Annotated[Path, Argument(metavar="PATH", help="A file or folder of this machine")],
    address: Annotated[str, Argument(metavar="ADDRESS", help="s3://… or oss://…; else the hub keeps it")] = "",
    endpoint: Annotated[str, Option("--endpoint", metavar="URL", help="Of an S3-compatible service")] = "",
    resource: Annotated[str, Option("--resource", metavar="GROUP", help="Whose storage credentials to use")] = "",
    output: Output = Format.table,
) -> None:
    """Upload files; print the address for a descriptor."""
    with uploading() as on_upload, transferring() as on_progress:
        stored = connect().upload(
            path, address, endpoint=endpoint, resource=resource, on_upload=on_upload, on_progress=on_progress
        )
    show(output, stored.to_dict(), lambda: stored.address)
