"""One service for a person to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlserve.client import Service
from mlserve.client.sample import sample, size
from mlserve.client.tables import text_table
from mlserve_cli.in_force import cautions, in_force
from mlserve_cli.mirrors import mirrored
from mlserve_cli.releases import under_way
from mlserve_cli.render import properties

_INSTANCE = ("id", "version", "state", "address", "restarts", "reason")
_PASTEABLE = 32
"""Values; a larger sample is not something to paste into a shell."""


def described(service: Service, link: str) -> str:
    """All of a service, its instances as a table; ``link`` opens it in a browser."""
    data = service.to_dict()
    parts = [properties(_facts(data, link)), text_table(_INSTANCE, _rows(data))]
    parts += [f"warning: {warning.get('message')}" for warning in data.get("warnings") or []]
    parts += [f"warning: {words}" for words in cautions(data.get("instances") or [])]
    if failure := data.get("failure"):
        parts.append(
            f"version {failure.get('version')} failed in {failure.get('phase')}: {failure.get('reason')}\n"
            f"  mlserve why {service.name} says more"
        )
    return "\n\n".join(parts)


def created(service: Service) -> str:
    """Endpoint, token and a line to paste."""
    data = service.to_dict()
    facts: dict[str, Any] = {"endpoint": data.get("endpoint"), "token": data.get("token") or "none (public)"}
    facts["code"] = _code(data.get("runs_code"))
    if data.get("status") == "Running":
        facts["try"] = _curl(service)
    return f"{changed(service)}\n{properties(facts)}"


def changed(service: Service) -> str:
    """One line: what it is now."""
    name, version, status, ready = service.row()[:4]
    return f"{name} version {version} is {status}, {ready} instances ready"


def _facts(data: dict[str, Any], link: str) -> dict[str, Any]:
    wished, kept = data.get("wished") or {}, data.get("kept")
    return {
        "name": data.get("name"),
        "version": data.get("version"),
        "status": data.get("status"),
        "reason": data.get("reason"),
        "endpoint": data.get("endpoint"),
        "token": data.get("token") or "none (public)",
        "link": link if data.get("public") else f"{link} (opens it in a browser, once, within ten minutes)",
        "resource": _resource(data),
        "model": _conversion(data.get("conversion")),
        "code": _code(data.get("runs_code")),
        **in_force(data.get("instances") or []),
        "release": " ".join(filter(None, (under_way(data) or ())[1:])) or None,
        "kept": f"version {kept['version']} until {kept['until']}, for mlserve rollback" if kept else None,
        "calls": ", ".join(data.get("calls") or ()) or None,
        "fallback": fallen_back(data.get("fallback")),
        "mirror": mirrored(data.get("mirror")),
        "wished": _count(wished["instances"], "instance") if "instances" in wished else None,
        "created": data.get("created_at"),
        "updated": data.get("updated_at"),
    }


def fallen_back(found: Mapping[str, Any] | None) -> str | None:
    """Who answers in its place, and how often that was."""
    if not found:
        return None
    often = "" if found.get("answered") is None else f" ({_count(found['answered'], 'answer')})"
    return f"{found['service']} on {', '.join(found['on'])}{often}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _resource(data: dict[str, Any]) -> str | None:
    """The group that it runs on, and of what kind that is."""
    group, kind = data.get("resource"), data.get("backend")
    return f"{group} ({kind})" if group and kind != group else group


def _code(reason: str | None) -> str | None:
    """That the model's file is code, for whoever did not know."""
    return f"{reason}: serve only files that you trust (--require-safe refuses this one)" if reason else None


def _conversion(record: Mapping[str, Any] | None) -> str | None:
    """Who really serves the model."""
    if not record:
        return None
    if record.get("to") is None:
        wished = f" ({record.get('reason')})" if record.get("expected") else ""  # else a warning says why
        return f"{record.get('from')}, as it is{wished}"
    parity = record.get("parity") or {}
    same = "same labels" if parity.get("labels_equal") else "other labels"
    return (
        f"{record.get('from')} as ONNX, by {record.get('converter')}, opset {record.get('opset')} "
        f"(as the original in {parity.get('rows')} rows: {same}, largest difference {parity.get('max_relative_error')})"
    )


def _rows(data: dict[str, Any]) -> list[list[Any]]:
    return [[instance.get(key) for key in _INSTANCE] for instance in data.get("instances") or []]


def _curl(service: Service) -> str:
    import json
    import shlex

    with service.predictor(timeout=5.0) as predictor:
        description = predictor.describe()
    question = sample(description) if size(description) <= _PASTEABLE else None
    token = service.to_dict().get("token")
    header = f"-H 'Authorization: {token}' " if token else ""
    if question is None:
        # Our runtime describes itself whatever the model; a program of the user's own knows its own paths.
        descriptor = service.to_dict().get("descriptor") or {}
        own = "command" in descriptor or descriptor.get("containers")
        path = "/" if own else "/v2" if descriptor.get("processor") == "triton" else "/describe"
        return f"curl {header}{service.endpoint}{path}"
    return f"curl {header}-d {shlex.quote(json.dumps(question))} {service.endpoint}"
