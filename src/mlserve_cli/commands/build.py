"""Pack a descriptor into one image that serves with nothing else around."""

from typing import Annotated, Any

from typer import Option

from mlserve import connect
from mlserve_cli import report
from mlserve_cli.follow import building
from mlserve_cli.options import Changes, File, Output, changes
from mlserve_cli.render import Format, properties, show


def command(
    file: File,
    set: Changes = None,
    tag: Annotated[
        str, Option("--tag", metavar="REPO:TAG", help="Its name; else mlserve/NAME and the version's number")
    ] = "",
    resource: Annotated[
        str, Option("--resource", metavar="GROUP", help="Build with the Docker engine of this resource group")
    ] = "",
    push: Annotated[bool, Option("--push", help="Send it to the registry that its name says")] = False,
    no_cache: Annotated[bool, Option("--no-cache", help="Build each layer anew")] = False,
    output: Output = Format.table,
) -> None:
    """Build an image of a descriptor."""
    with building() as on_upload:
        image = connect().images.build(
            file, set=changes(set, require_safe=False), tag=tag, resource=resource, push=push, no_cache=no_cache,
            on_line=report.note, on_upload=on_upload,
        )  # fmt: skip
    data = image.to_dict()
    report.warnings(data.get("warnings") or ())
    show(output, data, lambda: properties(_facts(data)))


def _facts(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "image": data["image"],
        "digest": data["digest"],
        "pushed": data["pushed"],
        "size": f"{data['size'] / 1e6:.0f} MB in {data['layers']} layers",
        "run": f"docker run --rm -p {data['port']}:{data['port']} {data['image']}",
    }
