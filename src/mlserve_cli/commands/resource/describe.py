"""Show a resource group: what it has and what is free."""

from typing import Annotated, Any

from typer import Argument

from mlserve import connect
from mlserve.client.tables import text_table
from mlserve_cli.options import Output
from mlserve_cli.render import Format, properties, show

_GPU = ("name", "memory_mb", "memory_free_mb")


def command(
    name: Annotated[str, Argument(metavar="NAME", help="The resource group")], output: Output = Format.table
) -> None:
    """Describe a resource group."""
    found = dict(connect().resources.get(name))
    show(output, found, lambda: _told(found))


def _told(found: dict[str, Any]) -> str:
    facts = {key: found.get(key) for key in ("name", "backend", "status", "reason", "engine", "api", "os", "arch")}
    facts["default"] = "yes" if found.get("default") else None
    facts["options"] = ", ".join(f"{key}={value}" for key, value in (found.get("options") or {}).items()) or None
    facts["credentials"] = ", ".join(found.get("credentials") or []) or None
    parts = [properties({**facts, **_room(found)})]
    gpus = found.get("gpus") or []
    if gpus:
        parts.append(text_table(_GPU, [[gpu.get(key) for key in _GPU] for gpu in gpus]))
    return "\n\n".join(parts + ([f"warning: {found['warning']}"] if found.get("warning") else []))


def _room(found: dict[str, Any]) -> dict[str, Any]:
    free = found.get("free")
    if not free:
        return {}
    return {
        "cpu": f"{found['cpu']:g} cores, {free['cpu']:g} free" if found.get("cpu") is not None else None,
        "memory": f"{found['memory_mb']} MB, {free['memory_mb']} MB free" if found.get("memory_mb") else None,
        "gpus": _gpus(found, free),
    }


def _gpus(found: dict[str, Any], free: dict[str, Any]) -> str:
    if found.get("gpus"):
        return f"{len(found['gpus'])}, {free['gpus']} free"
    # An engine may have some and not say so: it is tried once a service asks for one.
    return "none" if free.get("gpus") == 0 else "none that it tells of"
