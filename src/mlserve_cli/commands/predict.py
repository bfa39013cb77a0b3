"""Ask a service or group: --data JSON, --file PATH as it is, or - for standard input."""

from typing import Annotated

from typer import Argument, Option

from mlserve import connect
from mlserve.errors import InvalidInput, RequestFailed
from mlserve_cli.answer import show_answer
from mlserve_cli.options import Data, DataFile, Name, Output
from mlserve_cli.question import question
from mlserve_cli.render import Format


def command(
    name: Name,
    source: Annotated[str | None, Argument(metavar="-", help="- reads the body from standard input")] = None,
    data: Data = None,
    file: DataFile = None,
    model: Annotated[str | None, Option("--model", metavar="MODEL", help="Which model of a Triton server")] = None,
    output: Output = Format.table,
) -> None:
    """Ask a service."""
    asked = question(data, file, source)
    if asked is None:
        raise InvalidInput("nothing to ask", hint="give --data JSON, --file PATH, or - for standard input")
    service = connect().find(name)
    try:
        show_answer(output, service.predict(asked, model=model))
    except RequestFailed as exc:
        if service.to_dict().get("status") != "Stopped":
            raise
        raise RequestFailed(f'"{name}" is stopped', hint=f"mlserve start {name} runs it again") from exc
