"""One service, as the hub shows it, and what can be done with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, overload
from urllib.parse import quote

from mlserve.client.answer import Answer
from mlserve.client.experiment import Experiment, experiment
from mlserve.client.logs import Log, LogLine, log_line
from mlserve.client.releases import Releases
from mlserve.client.submission import Source, draft
from mlserve.client.tables import Table, html_table, text_table
from mlserve.client.uploads import Uploaded
from mlserve.client.waiting import Progress, Wish, until_gone, until_settled
from mlserve.management import Management, service_path
from mlserve.predictor import Predictor, is_triton

COLUMNS = ("name", "version", "status", "ready", "resource", "endpoint")
"""What a table of services shows, the longest last: a narrow terminal folds that one only; ``Service.row`` has them."""
_PARTS = ("model", "code", "environment")
_LOADING = 630.0
"""Seconds; a little more than the hub gives a model."""


class Service(Answer):
    """A service of a hub. Attributes are those of ``describe -o json`` (``status``, …) as of the last look."""

    _thing = "a service"

    def __init__(self, management: Management, data: Mapping[str, Any]) -> None:
        self._management = management
        super().__init__(data)
        self._update: int | None = None

    name: str
    version: int
    status: str
    endpoint: str
    token: str

    def reload(self) -> Service:
        """Look again."""
        self._data = self._management.get(service_path(self.name))
        return self

    def wait(self, timeout: float | None = None, on_progress: Progress | None = None) -> Service:
        """Wait until the last wish is met; ``timeout`` in seconds. Raises StartFailed, UpdateFailed, TimedOut."""
        wish = Wish(self.name, int(self._data.get("generation") or 0), self._update)
        self._data = dict(until_settled(self._look, wish, timeout=timeout, on_progress=on_progress))
        return self

    def scale(self, instances: int) -> Service:
        """Wish for another number of instances."""
        return self._wish("scale", {"instances": instances})

    def start(self) -> Service:
        """Run a stopped or failed service again."""
        return self._wish("start")

    def stop(self) -> Service:
        """End all instances and keep the service."""
        return self._wish("stop")

    def restart(self) -> Service:
        """Replace the instances one at a time."""
        self._wish("restart")
        self._update = int(self._data["wished"]["version"])
        return self

    def update(
        self,
        source: Source | None = None,
        *,
        set: Sequence[str] = (),
        strategy: str = "",
        on_upload: Uploaded | None = None,
    ) -> Service:
        """Wish for a new version: another descriptor, or values set in the newest one, or both.

        ``strategy``: how it takes over (rolling, blue_green, canary, recreate), in the place of the descriptor's own.
        """
        if source is None:
            body: dict[str, Any] = {"set": list(set)}
        else:
            body = draft(source, set).submission(self._management, on_upload)
        self._wish("update", body | ({"strategy": strategy} if strategy else {}))
        self._update = int(self._data["wished"]["version"])
        return self

    def rollback(self, version: int | None = None) -> Service:
        """Go back to a version that served before, or to the one before this; at once while its instances are kept."""
        self._wish("rollback", {"version": version})
        self._update = int(self._data["wished"]["version"])
        return self

    def mirror_to(self, other: str, percent: int = 100) -> Service:
        """Send copies of so many requests in a hundred to another service, whose answers are thrown away."""
        self._data = self._management.post(service_path(self.name, "mirror"), {"to": other, "percent": percent})
        return self

    def end_mirror(self) -> Service:
        """Send no more copies."""
        self._data = self._management.delete(service_path(self.name, "mirror"))
        return self

    @property
    def releases(self) -> Releases:
        """The release that is under way, else the last one: ``status()``, ``promote()``, ``pause()``, …"""
        return Releases(self._management, self.name)

    def delete(self, *, wait: bool = True, timeout: float | None = None) -> None:
        """End and forget the service and its logs."""
        self._management.delete(service_path(self.name))
        if wait:
            until_gone(self._look, self.name, timeout=timeout)

    @overload
    def logs(
        self,
        *,
        follow: Literal[False] = False,
        tail: int | None = None,
        since: float | None = None,
        instance: str | None = None,
        previous: bool = False,
    ) -> Log: ...
    @overload
    def logs(
        self,
        *,
        follow: bool,
        tail: int | None = None,
        since: float | None = None,
        instance: str | None = None,
        previous: bool = False,
    ) -> Log | Iterator[LogLine]: ...
    def logs(
        self,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        instance: str | None = None,
        previous: bool = False,
    ) -> Log | Iterator[LogLine]:
        """What its instances wrote; with ``follow`` an iterator that goes on. ``since``: seconds since the epoch."""
        wanted = {"follow": follow, "tail": tail, "since": since, "instance": instance, "previous": previous}
        lines = map(log_line, self._management.lines(service_path(self.name, "logs"), **wanted))
        return lines if follow else Log(lines)

    def instances(self) -> Table:
        """Its instances now."""
        found = self._management.get(service_path(self.name, "instances"))["instances"]
        return Table(found, ("id", "version", "state", "address", "restarts", "reason"))

    def ab(self, *, metric: str = "reward", since: float | None = None, control: str = "") -> Experiment:
        """How both versions of its release do, by what callers tell; ``since``: seconds back. Raises Conflict."""
        path = service_path(self.name, "ab")
        return experiment(self._management, path, metric=metric, since=since, control=control)

    def versions(self) -> Table:
        """Its versions."""
        found = self._management.get(service_path(self.name, "versions"))["versions"]
        return Table(found, ("version", "state", *_PARTS, "created_at"), short=_with_digests)

    def models(self) -> Table:
        """The models that its instances hold: one for our own runtime, any number for Triton."""
        return self._models(self._management.get(service_path(self.name, "models")))

    def load_model(self, model: str) -> Table:
        """Load a model, or its newest files, in every ready instance; Triton wants --model-control-mode=explicit."""
        return self._models(self._management.post(_of_model(self.name, model, "load"), timeout=_LOADING))

    def unload_model(self, model: str) -> Table:
        """Unload a model in every ready instance."""
        return self._models(self._management.post(_of_model(self.name, model, "unload"), timeout=_LOADING))

    def why(self) -> Sequence[Mapping[str, Any]]:
        """Its failure records, the newest first; empty where nothing failed."""
        found: list[Mapping[str, Any]] = self._management.get(service_path(self.name, "failure"))["failures"]
        return found

    def link(self) -> str:
        """An address that opens it in a browser: once, within minutes, where the service has a token."""
        return str(self._management.post(service_path(self.name, "link"))["link"])

    def predictor(self, *, timeout: float = 60.0, direct: bool = False) -> Predictor:
        """What asks it, through the gateway or directly."""
        token, known = self._data.get("token"), is_triton(self._data)
        return Predictor(self.endpoint, token=token, timeout=timeout, triton=known, direct=direct)

    def predict(self, data: Any, *, model: str | None = None) -> Any:
        """Ask it once: a dict or list goes as JSON, bytes and files as they are; ``model``: see `Predictor.predict`."""
        with self.predictor() as predictor:
            return predictor.predict(data, model=model)

    def __repr__(self) -> str:
        return text_table(COLUMNS, [self.row()])

    def _repr_html_(self) -> str:
        return html_table(COLUMNS, [self.row()])

    def row(self) -> list[Any]:
        """Its line in a table of services."""
        shown = {**self._data, "ready": _ready(self._data)}
        return [shown.get(column) for column in COLUMNS]

    def _models(self, found: Mapping[str, Any]) -> Table:
        return Table(found["models"], ("name", "version", "state", "reason"))

    def _look(self) -> Mapping[str, Any]:
        return self._management.get(service_path(self.name))

    def _wish(self, verb: str, body: dict[str, Any] | None = None) -> Service:
        self._data = self._management.post(service_path(self.name, verb), body)
        self._update = None
        return self


def _ready(data: Mapping[str, Any]) -> str:
    """Ready instances by wished ones: of the version that serves and of the one to come, not of one that is kept."""
    instances, wished = data.get("instances") or [], data.get("wished") or {}
    serves, comes = data.get("version"), wished.get("version", data.get("version"))
    ready = sum(one.get("state") == "Ready" and one.get("version") in (serves, comes) for one in instances)
    count = wished.get("instances", len(instances))
    both = serves != comes  # while one takes over from the other there may be more of them than are wished
    return f"{min(ready, count) if both else ready}/{count}"


def _with_digests(version: Mapping[str, Any]) -> Mapping[str, Any]:
    """A version with the beginning of its digests, enough to see which parts of two versions are the same."""
    short = {part: (version["digests"][part] or "").partition(":")[2][:12] or None for part in _PARTS}
    return {**version, **short}


def _of_model(service: str, model: str, verb: str) -> str:
    return service_path(service, f"models/{quote(model, safe='')}/{verb}")
