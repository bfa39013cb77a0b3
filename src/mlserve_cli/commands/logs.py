"""Show what the instances of a service wrote."""

import json
import sys
import time
from dataclasses import asdict
from typing import Annotated

from typer import Option

from mlserve import connect
from mlserve_cli.options import Name, Output, seconds
from mlserve_cli.render import Format, show


def command(
    name: Name,
    follow: Annotated[bool, Option("-f", "--follow", help="Go on with new lines as they come")] = False,
    tail: Annotated[int | None, Option("--tail", metavar="N", min=0, help="Only the last N lines")] = None,
    since: Annotated[str | None, Option("--since", metavar="TIME", help="Only the newest, e.g. 10m")] = None,
    instance: Annotated[str | None, Option("--instance", metavar="ID", help="Only this instance")] = None,
    previous: Annotated[bool, Option("--previous", help="Of the run before the newest start")] = False,
    output: Output = Format.table,
) -> None:
    """Show logs; with -f and -o json one JSON object a line."""
    begin = time.time() - seconds(since) if since else None
    service = connect().services.get(name)
    lines = service.logs(follow=follow, tail=tail, since=begin, instance=instance, previous=previous)
    if output is not Format.table and not follow:
        show(output, [asdict(line) for line in lines], str)
        return
    for line in lines:
        sys.stdout.write((json.dumps(asdict(line)) if output is Format.json else line.text) + "\n")
        if follow:
            sys.stdout.flush()
