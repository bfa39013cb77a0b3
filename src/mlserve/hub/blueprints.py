"""A version read: its descriptor as a model, its engine, its workload. Computed once, since versions never change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlserve import environments
from mlserve.descriptor import Descriptor, parse
from mlserve.descriptor.containers import asked_path
from mlserve.descriptor.release import ReleaseGates
from mlserve.engines.base import Artifacts, Engine, Launch, resources
from mlserve.engines.choice import engine_of
from mlserve.engines.mounts import mounts, with_mounts
from mlserve.errors import MlserveError
from mlserve.hub.admission import Admission
from mlserve.hub.comparing.answers import Rules
from mlserve.hub.conversions import served
from mlserve.hub.fetching import Credentials, no_credentials
from mlserve.hub.handing import with_repositories
from mlserve.hub.limits import Limits
from mlserve.hub.packing import launch_inside
from mlserve.hub.proof import Question, questions
from mlserve.hub.records import Prepared, Version
from mlserve.hub.routing import NOTHING
from mlserve.hub.wishes import Wishes
from mlserve.workload import ACCESS, TOLD, Workload


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a version's descriptor says, and who can start it."""

    descriptor: Descriptor
    engine: Engine


class Blueprints:
    """The blueprints of a hub's versions."""

    def __init__(
        self, home: Path, wishes: Wishes, admission: Admission, credentials: Credentials = no_credentials
    ) -> None:
        self._home, self._wishes, self._admission, self._credentials = home, wishes, admission, credentials
        self._blueprints: dict[tuple[str, int], Blueprint] = {}
        self._workloads: dict[tuple[str, int], tuple[Version, Workload]] = {}

    def of(self, version: Version) -> Blueprint:
        """The blueprint of a version."""
        key = (version.service, version.number)
        if key not in self._blueprints:
            descriptor = parse(dict(version.descriptor)).descriptor
            self._blueprints[key] = Blueprint(descriptor, engine_of(descriptor))
        return self._blueprints[key]

    def limits(self, service: str, number: int) -> Limits:
        """What the gateway should hold a version's requests to."""
        if number == NOTHING:
            return Limits()
        version = self._wishes.version(service, number)
        blueprint = self.of(version)
        descriptor = blueprint.descriptor
        told = blueprint.engine.checks and version.prepared is not None
        return Limits(
            checks=blueprint.engine.checks,
            secret=self._admission.secret(service) if told else "",
            timeout_seconds=descriptor.metadata.rpc.keepalive / 1000,
            max_body=descriptor.networking.max_body,
            retry=descriptor.retry,
            health_path=blueprint.engine.live_path or asked_path(descriptor),
            http2=blueprint.engine.http2 or descriptor.metadata.enable_grpc,
            open_docs=blueprint.engine.open_docs,
            ports=self.workload(version).ports if version.prepared else (),
            web=blueprint.engine.web,
            origins=descriptor.networking.cors.allow_origins,
            rate=descriptor.networking.gateway_policy.rate_limit.in_force,
            instance_rate=descriptor.metadata.rpc.rate_limit,
            group=descriptor.metadata.group,
            calls=descriptor.calls,
            sticky=(descriptor.release and descriptor.release.sticky) or "",
            feedback=bool(descriptor.release and descriptor.release.feedback),
            fallback=descriptor.fallback.service if descriptor.fallback else "",
            fallback_on=frozenset(descriptor.fallback.on if descriptor.fallback else ()),
            concurrency=descriptor.networking.gateway_policy.concurrency_limit.in_force,
        )

    def rules(self, service: str, number: int) -> Rules:
        """What a version's descriptor says of comparing its answers with others."""
        descriptor = self.of(self._wishes.version(service, number)).descriptor
        gates = (descriptor.release.gates if descriptor.release else None) or ReleaseGates()
        fields = descriptor.capture.fields if descriptor.capture else None
        return Rules(gates.tolerance, frozenset(gates.ignore), None if fields is None else frozenset(fields))

    def workload(self, version: Version) -> Workload:
        """How a prepared version is started."""
        key = (version.service, version.number)
        known = self._workloads.get(key)
        if known is None or known[0].prepared != version.prepared:
            self._workloads[key] = (version, self._workload(version))
        return self._workloads[key][1]

    def bounds(self, version: Version) -> Mapping[str, Any]:
        """What holds its instances back: their memory, and those of containers; ``own_image``: of the user's images."""
        descriptor = self.of(version).descriptor
        memory = {"memory_mb": resources(descriptor).memory_mb}
        contained = version.prepared is not None and bool(version.prepared.image)
        return memory | ({"own_image": bool(descriptor.containers)} if contained else {})

    def questions(self, version: Version) -> Sequence[Question]:
        """What a version has to answer through the gateway before it is called ready."""
        warm_up = version.prepared.paths.get("/warm_up_data_path") if version.prepared else None
        return questions(self.of(version).engine.proof_paths, warm_up)

    def forget(self, service: str) -> None:
        """A service is gone; its name may come again with other versions."""
        for kept in (self._blueprints, self._workloads):
            for key in [key for key in kept if key[0] == service]:
                del kept[key]

    def _workload(self, version: Version) -> Workload:
        blueprint, prepared = self.of(version), version.prepared
        if prepared is None:
            raise MlserveError(f"version {version.number} of {version.service} is not prepared yet", hint="wait for it")
        artifacts = served(
            Artifacts(prepared.paths, prepared.saved_versions, inside=prepared.inside, images=prepared.images),
            prepared.conversion,
        )
        # Who may ask a container is brought into it.
        access = str(self._admission.file(version.service)) if prepared.image and blueprint.engine.checks else ""
        launch = self._inside(version, access) if prepared.image else self._launch(version, prepared)
        workload = blueprint.engine.workload(blueprint.descriptor, artifacts, launch)
        workload = with_repositories(workload, blueprint.descriptor, self._credentials(version))
        workload = replace(workload, image=prepared.image or None, told={ACCESS: access} if access else {})
        # Of these the files stay on the hub's machine: it is the backend that brings them to the instance.
        return with_mounts(workload, mounts(blueprint.descriptor, prepared.paths))

    def _inside(self, version: Version, access: str) -> Launch:
        return replace(launch_inside(version.service, version.number), access=f"{TOLD}/{ACCESS}" if access else "")

    def _launch(self, version: Version, prepared: Prepared) -> Launch:
        runtime, captures = environments.runtime_path(self._home), self._home / "captures" / version.service
        access = str(self._admission.file(version.service))
        return Launch(version.service, version.number, prepared.python, str(runtime), str(captures), access)
