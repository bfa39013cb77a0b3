"""Add a backend under a name, for metadata.resource to pick."""

from typing import Annotated

from typer import Argument, Option

from mlserve import connect
from mlserve.errors import InvalidInput
from mlserve_cli import report
from mlserve_cli.options import Output, settings
from mlserve_cli.render import Format, show
from mlserve_cli.variables import variables


def command(
    name: Annotated[str, Argument(metavar="NAME", help="What to call it")],
    kind: Annotated[str | None, Argument(metavar="BACKEND", help="The same as --backend")] = None,
    backend: Annotated[str | None, Option("--backend", metavar="KIND", help="docker, or another kind")] = None,
    host: Annotated[
        str, Option(metavar="ADDRESS", help="unix://, tcp:// or ssh:// address of an engine, or a docker context")
    ] = "",
    tls_ca: Annotated[str, Option(metavar="FILE", help="Authority that signed the engine's certificate")] = "",
    tls_cert: Annotated[str, Option(metavar="FILE", help="Certificate to show the engine")] = "",
    tls_key: Annotated[str, Option(metavar="FILE", help="Key of that certificate")] = "",
    address: Annotated[str, Option(metavar="IP", help="IP of that machine to publish ports on")] = "",
    option: Annotated[
        list[str] | None, Option("--option", metavar="NAME=VALUE", help="name=value; may be repeated")
    ] = None,
    env_file: Annotated[
        str, Option("--env-file", metavar="FILE", help="AWS_… and OSS_… variables for its services' storage")
    ] = "",
    no_check: Annotated[bool, Option("--no-check", help="Add it whether it can be reached or not")] = False,
    output: Output = Format.table,
) -> None:
    """Add a resource group; its connection is tried first."""
    chosen = backend or kind or ("docker" if host else "")
    if not chosen or (backend and kind and backend != kind):
        raise InvalidInput("which kind of backend is it?", hint=f"mlserve resource add {name} --backend docker")
    given = {"host": host, "address": address, "tls_ca": _file(tls_ca), "tls_cert": _file(tls_cert)}
    given = {key: value for key, value in {**given, "tls_key": _file(tls_key)}.items() if value}
    added = dict(
        connect().resources.add(
            name, chosen, {**settings(option or []), **given}, credentials=variables(env_file), check=not no_check
        )
    )
    if added.get("warning"):
        report.note(f"warning: {added['warning']}")
    show(output, added, lambda: _told(added))


def _told(added: dict[str, object]) -> str:
    lines = [f"resource group {added['name']} is a {added['backend']} backend"]
    if added.get("status") == "unavailable":
        lines.append(f"  it is away: {added.get('reason')}")
    adopted = added.get("adopted")
    if isinstance(adopted, list) and adopted:
        lines.append(f"  what ran there is taken up, with new tokens: {', '.join(adopted)} (mlserve list)")
    return "\n".join(lines)


def _file(path: str) -> str:
    """A file's path as the hub, which has another folder, finds it."""
    from pathlib import Path

    return str(Path(path).expanduser().absolute()) if path else ""
