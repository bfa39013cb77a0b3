"""Show the models inside a service (Triton), load or unload one."""

from typing import Annotated

from typer import Argument

from mlserve import connect
from mlserve.errors import InvalidInput
from mlserve_cli.options import Name, Output
from mlserve_cli.render import Format, show


def command(
    name: Name,
    verb: Annotated[str | None, Argument(metavar="load|unload", help="What to do with a model")] = None,
    model: Annotated[str | None, Argument(metavar="MODEL", help="Which model")] = None,
    output: Output = Format.table,
) -> None:
    """List the models of a service with their state, or change one in every ready instance."""
    if verb not in (None, "load", "unload") or (verb is None) != (model is None):
        raise InvalidInput(
            f'what does "{" ".join(filter(None, (verb, model)))}" mean here?',
            hint=f"mlserve models {name}, or mlserve models {name} load MODEL, or mlserve models {name} unload MODEL",
        )
    service = connect().services.get(name)
    if model is None:
        models = service.models()
    else:
        models = service.load_model(model) if verb == "load" else service.unload_model(model)
    show(output, list(models), lambda: repr(models))
