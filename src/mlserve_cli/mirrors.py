"""Who gets copies of a service's requests, and how its answers differ, for a person to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlserve.client import Service
from mlserve_cli.differences import examples, summary


def mirrored(found: Mapping[str, Any] | None) -> str | None:
    """One line: who gets them, how many, and how the answers differ."""
    if not found:
        return None
    sent, failed, answers = found.get("sent"), found.get("failed"), summary(found.get("answers"))
    copies = None if sent is None else f"{sent} {'copy' if sent == 1 else 'copies'}, {failed} failed"
    told = "; ".join(filter(None, [copies, answers and f"answers: {answers}"]))
    return f"{found['percent']} % of the requests to {found['to']}" + (f" ({told})" if told else "")


def report(service: Service) -> str:
    """The same, with some of the answers that differ."""
    data = service.to_dict()
    found = data.get("mirror")
    if not found:
        return "no mirror"
    if (data.get("descriptor") or {}).get("retry") is False:
        return f'{mirrored(found)}\nanswers are not compared: with "retry": false no request may run twice'
    return "\n\n".join(filter(None, [mirrored(found), examples(found.get("answers"))]))
