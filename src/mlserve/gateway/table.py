"""What the gateway is to serve, in words: clusters, routes and the probe secret. Envoy's terms are elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_MAX_BODY = 64 * 1024 * 1024


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

    @property
    def name(self) -> str:
        """``service/version``, also the value of the answer header ``x-mlserve-served-by``; then ``/port``."""
        return f"{self.service}/{self.version}" + (f"/{self.port}" if self.port else "")


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
    rate: int = 0
    """Requests a second at most, by everybody together; further ones are answered with 429. 0: any number."""
    members: tuple[Target, ...] = ()
    """Of a group: who gets its requests, in the place of ``targets``; the second is asked where the first is gone."""
    pinned: tuple[tuple[str, tuple[Target, ...]], ...] = ()
    """Of a group: what a request gets that names this member (``x-mlserve-service``), also one without a share."""
    sticky: str = ""
    """``header:NAME`` or ``cookie:NAME``: requests that agree in it go to the same version."""
    address: str = ""
    """Its last part, where that is not its name."""

    @property
    def at(self) -> str:
        """The last part of its address, by which people know it."""
        return self.address or self.service

    @property
    def shares(self) -> tuple[Target, ...]:
        """Who gets its requests, none of them without a weight."""
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
