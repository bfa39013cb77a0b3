"""The models inside a service's instances, asked of each of them: a server may hold many, and load them by hand."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from urllib.parse import quote

from mlserve.backends.aside import aside
from mlserve.errors import Conflict, InvalidInput, MlserveError, NotFound, RequestFailed

Verb = Literal["load", "unload"]
_PATIENCE = 5.0
_LOADING = 600.0
"""Seconds; a large model takes its time."""
_SETTLING = 10.0
_MOST = 8 << 20


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    said: Any


async def models(service: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every model that a ready instance knows, with its state there; ``service`` as `view` shows it."""
    ready = _ready(service)
    told = await asyncio.gather(*(aside(partial(_index, one)) for one in ready))
    return merged({one["id"]: index for one, index in zip(ready, told, strict=True)})


async def change(service: Mapping[str, Any], model: str, verb: Verb) -> list[dict[str, Any]]:
    """Load or unload a model in every ready instance; then as `models`. Raises what the first that refuses says."""
    ready = _ready(service)
    path = f"/v2/repository/models/{quote(model, safe='')}/{verb}"
    answers = await asyncio.gather(*(aside(partial(_ask, one, path, _LOADING)) for one in ready))
    for one, answer in zip(ready, answers, strict=True):
        if answer.status != 200:
            raise _refused(one["id"], model, verb, answer)
    end = time.monotonic() + _SETTLING
    while (found := await models(service)) and any(_under_way(row) for row in found if row["name"] == model):
        if time.monotonic() > end:
            break  # then the list says UNLOADING: requests that the model still answers hold it
        await asyncio.sleep(0.1)
    return found


def merged(indexes: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """One row for each model and version: where all instances agree their state, else the differing ones. Pure."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for instance, index in indexes.items():
        for entry in index:
            key = (str(entry.get("name", "")), str(entry.get("version") or ""))
            row = rows.setdefault(key, {"name": key[0], "version": key[1] or None, "instances": {}, "reason": ""})
            row["instances"][instance] = str(entry.get("state") or "UNLOADED")
            row["reason"] = row["reason"] or _reason(str(entry.get("reason") or ""))
    for row in rows.values():
        states = {row["instances"].get(instance, "UNLOADED") for instance in indexes}
        row["state"] = states.pop() if len(states) == 1 else "MIXED"
    return [rows[key] for key in sorted(rows)]


def _reason(text: str) -> str:
    """Without the places in the model's code, which the log has."""
    return " ".join(text.partition("\n\nAt:")[0].removeprefix("Internal: ").split())


def _under_way(row: Mapping[str, Any]) -> bool:
    return any(state in ("LOADING", "UNLOADING") for state in row["instances"].values())


def _ready(service: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    ready = [one for one in service["instances"] if one["state"] == "Ready"]
    if not ready:
        name = service["name"]
        raise Conflict(
            f'"{name}" has no instance that is ready (it is {service["status"]})',
            hint=f"mlserve describe {name} shows why; mlserve start {name} starts it",
        )
    return ready


def _index(instance: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    answer = _ask(instance, "/v2/repository/index", _PATIENCE)
    if answer.status == 200 and isinstance(answer.said, list):
        return [entry for entry in answer.said if isinstance(entry, dict)]
    if answer.status == 403 or answer.status >= 500:
        raise RequestFailed(
            f"instance {instance['id']} did not list its models: {answer.status} {_text(answer.said)}",
            hint="where --http-restricted-api closes model-repository, ask the service itself with its key",
        )
    # Whatever else a program answers to a path that it does not know: a page, or that something is wrong with the body.
    raise InvalidInput(
        "the program of this service does not list its models", hint="it is for Triton, and for our own runtime"
    )


def _ask(instance: Mapping[str, Any], path: str, patience: float) -> _Answer:
    connection = http.client.HTTPConnection(instance["address"], timeout=patience)
    try:
        connection.request("POST", path, b"{}", {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return _Answer(answer.status, _parsed(answer.read(_MOST)))
    except (OSError, http.client.HTTPException) as exc:
        raise RequestFailed(
            f"instance {instance['id']} did not answer: {exc}", hint="mlserve instances shows how it is"
        ) from exc
    finally:
        connection.close()


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body) if body else {}
    except ValueError:
        return body.decode(errors="replace")


def _text(said: Any) -> str:
    return _reason(str(said.get("error", said) if isinstance(said, dict) else said))[:500]


def _refused(instance: str, model: str, verb: Verb, answer: _Answer) -> MlserveError:
    text = _text(answer.said)
    if "explicit model load / unload is not allowed" in text:
        return Conflict(
            f"this service's models can't be {verb}ed by hand: {text}",
            hint='add "--model-control-mode=explicit" to processor_params, and "--load-model=NAME" for each at a start',
        )
    if answer.status == 404 or "failed to poll from model repository" in text or "not found" in text:
        return NotFound(f'instance {instance} has no model "{model}": {text}', hint="mlserve models NAME lists them")
    return RequestFailed(f"instance {instance} could not {verb} {model}: {text}", hint="mlserve logs shows more")
