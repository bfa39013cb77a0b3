"""What the gateway is to serve, in words: clusters, routes and the probe secret. Envoy's terms are elsewhere."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

DEFAULT_MAX_BODY = 64 * 1024 * 1024
FALLBACK, MIRROR = "~fallback~", "~mirror~"
"""What the names of clusters have that are the same instances once more, before the service that it is for."""
DOWN, OVERLOAD, ERROR, TIMEOUT = "down", "overload", "error", "timeout"
"""What a fallback may be for: nothing takes the request, all queues are full, a status of 500 or more, no answer."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The ready instances of one version of a service."""

    service: str
    version: int
    endpoints: tuple[str, ...] = ()
    """``host:port`` of each instance that is ready; an instance leaves this list before it is stopped."""
    health_path: str | None = None
    """Answers 200 to 399 while an instance is well; ``None``: an open port is taken for well."""
    http2: bool = False
    """The instances speak HTTP/2 (and so gRPC) as well as HTTP/1.1, on one port: a request keeps what it came in."""

    concurrency: int = 0
    """Requests at a time at most; further ones are answered with 429. 0: as many as its instances queue."""
    port: str = ""
    """Of which further port the endpoints are: ``grpc``, where calls go, or ``metrics``; empty: the instances' own."""
    backed: bool = False
    """Others answer in its place: any number of its requests may be tried again at a time."""
    falls_in_for: str = ""
    """The service whose requests it answers as a fallback; its answers say so."""
    mirrors: str = ""
    """The service whose requests it hears; nobody waits for its answers."""

    @property
    def name(self) -> str:
        """``service/version``, then ``/port``, then for whom it is."""
        port = f"/{self.port}" if self.port else ""
        return f"{self.served_by}{port}" + fallback_name(self.falls_in_for) + mirror_name(self.mirrors)

    @property
    def served_by(self) -> str:
        """``service/version``, the value of the answer header ``x-mlserve-served-by``."""
        return f"{self.service}/{self.version}"


def fallback_name(service: str) -> str:
    """The end of the names of clusters that answer in a service's place."""
    return f"{FALLBACK}{service}" if service else ""


def mirror_name(service: str) -> str:
    """The end of the names of clusters that hear a service's requests."""
    return f"{MIRROR}{service}" if service else ""


@dataclass(frozen=True, slots=True)
class Target:
    """A version of a service, and how much it gets beside others."""

    service: str
    version: int
    weight: int = 1

    @property
    def cluster(self) -> str:
        """The name of its cluster."""
        return f"{self.service}/{self.version}"


@dataclass(frozen=True, slots=True)
class Fallback:
    """A lighter service, which is asked where a service does not answer."""

    targets: tuple[Target, ...]
    on: frozenset[str]
    """Of DOWN, which is always meant, OVERLOAD, ERROR and TIMEOUT."""
    alone: bool = False
    """Nothing of the service itself could answer: it gets all requests."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """Another service that gets copies of some requests; its answers are thrown away."""

    target: Target
    percent: int


@dataclass(frozen=True, slots=True)
class Route:
    """How requests to ``/api/predict/SERVICE`` are treated."""

    service: str
    """A service's name, or that of a group of them."""
    targets: tuple[tuple[int, int], ...]
    """``(version, weight)``; a weight of 0 gets nothing; no targets: the service is stopped and answers 503.

    Of several, the first is the one whose instances are asked again where another's did not take a request.
    """
    token: str | None = None
    """What ``Authorization`` has to carry, bare or after ``Bearer``; ``None``: the service is public."""
    timeout_seconds: float = 60.0
    """How long an answer may take to begin, and then to pause between two pieces (see `routes`)."""
    max_body: int = DEFAULT_MAX_BODY
    """Bytes one request may carry."""
    retry: bool = True
    """A request may run twice: it is tried again elsewhere when its instance dies in the middle of it."""
    open_docs: bool = False
    """GET /docs needs no token: the page is the same for every service and asks for the token itself."""
    web: bool = False
    """Perhaps a web app that believes to be at ``/``: its redirects and cookies are put under the service's path."""
    apart: frozenset[tuple[str, str]] = frozenset()
    """``(service/version, port)``: those of its versions that have a further port of that name."""
    failed: bool = False
    """It serves nothing because it failed for good: trying again won't help."""
    issued: bool = False
    """Tokens that the hub issued (`Access`) open it as well as its own one."""
    origins: tuple[str, ...] = ()
    """Whose pages may ask it from a browser: ``https://app.example.com``, ``https://*.example.com``, ``*``."""
    secret: str = ""
    """What the instances know the gateway by, those of several services in one; without it they ask for a token."""
    signed: bool = False
    """Its instances check signed requests (``Authorization: EAS …``), which pass the gateway as they are."""
    direct: tuple[tuple[str, int], ...] | str = ""
    """``(host:port, weight)`` of each instance that may be asked without the gateway; or why none may."""
    rate: int = 0
    """Requests a second at most, by everybody together; further ones are answered with 429. 0: any number."""
    members: tuple[Target, ...] = ()
    """Of a group: who gets its requests, in the place of ``targets``; the second is asked where the first is gone."""
    pinned: tuple[tuple[str, tuple[Target, ...]], ...] = ()
    """Of a group: what a request gets that names this member (``x-mlserve-service``), also one without a share."""
    sticky: str = ""
    """``header:NAME`` or ``cookie:NAME``: requests that agree in it go to the same version."""
    fallback: Fallback | None = None
    """Who is asked where the service does not answer."""
    mirror: Mirror | None = None
    """Who hears some of its requests."""
    feedback: str = ""
    """By what the hub knows feedback about its requests (A/B), whose arms are noted; empty: none is taken."""
    compared: tuple[str, ...] = ()
    """What the hub gets copies of some of its requests for: to compare what two versions or services answer."""
    compared_percent: int = 100
    """Of how many requests in a hundred at most; only a few are on their way at a time."""
    address: str = ""
    """Its last part, where that is not its name."""
    group: str = ""
    """The group it is in: EAS's clients know it as ``GROUP.SERVICE``."""

    @property
    def name_in_group(self) -> str:
        """By what EAS's clients know it beside its name; empty for one that is in no group."""
        return f"{self.group}.{self.service}" if self.group else ""

    @property
    def at(self) -> str:
        """The last part of its address, by which people know it."""
        return self.address or self.service

    @property
    def heard_by(self) -> frozenset[str]:
        """All services whose instances a request to it may come to."""
        others = [*self.members, *(target for _, targets in self.pinned for target in targets)]
        others += [*(self.fallback.targets if self.fallback else ()), *([self.mirror.target] if self.mirror else ())]
        own = [] if self.members or self.pinned else [self.service]
        return frozenset([*own, *(target.service for target in others)])

    @property
    def by_itself(self) -> Route:
        """The same where nobody else answers or hears: no fallback, no mirror, no copies."""
        return replace(self, fallback=None, mirror=None, compared=())

    @property
    def stopped(self) -> bool:
        """Nobody answers."""
        return self.fallback is None and (self.failed or not self.shares)

    @property
    def shares(self) -> tuple[Target, ...]:
        """Who gets its requests, none of them without a weight."""
        if self.fallback and self.fallback.alone:
            return ()
        own = tuple(Target(self.service, version, weight) for version, weight in self.targets)
        return tuple(target for target in self.members or own if target.weight > 0)


@dataclass(frozen=True, slots=True)
class Access:
    """Which of the tokens that the hub issued open services; all of it comes into force without a route's change."""

    issuer: str = ""
    keys: tuple[str, ...] = ()
    """Public keys as JWK texts: whoever's signature one of them made may pass. None: there are no such tokens."""
    revoked: frozenset[str] = frozenset()
    """Ids of tokens (``jti``) that are refused before their time."""
    services: frozenset[str] = frozenset()
    """What tokens may open: names of services, ``fraud*`` for all that begin so. What else one says opens nothing."""
    rates: frozenset[tuple[str, int]] = frozenset()
    """Id of a token, and how many requests a second it may make."""


@dataclass(frozen=True, slots=True)
class Table:
    """All that the gateway serves. Equal tables render to equal files."""

    clusters: tuple[Cluster, ...] = ()
    routes: tuple[Route, ...] = ()
    probe_secret: str = ""
    """Opens each version to the hub's own probes, before a public route names it; empty: no probes."""
    hub: str = ""
    """``host:port`` of the hub, which exchanges a browser's one-time code for a cookie; empty: nobody does."""
    recorder: str = ""
    """The unix socket where the hub takes copies of requests (`Route.compared`); empty: nobody does."""

    def clusters_of(self, targets: Collection[Target]) -> list[Cluster]:
        """Those of these versions, for each of their ports."""
        wanted = {target.cluster for target in targets}
        return [cluster for cluster in self.clusters if f"{cluster.service}/{cluster.version}" in wanted]
