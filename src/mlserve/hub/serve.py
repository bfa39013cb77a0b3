"""A hub from start to stop: home, store, gateway, loop and API put together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from fastapi import FastAPI

import mlserve
from mlserve import storage
from mlserve.descriptor import resource_of
from mlserve.errors import HubStartFailed, InvalidInput, MlserveError
from mlserve.gateway.envoy import Gateway
from mlserve.gateway.recording import recorder_socket
from mlserve.hub import guard, links
from mlserve.hub.admission import Admission
from mlserve.hub.app import application
from mlserve.hub.arms.ledger import Ledger
from mlserve.hub.arms.notes import Notes
from mlserve.hub.arms.verbs import Arms
from mlserve.hub.blueprints import Blueprints
from mlserve.hub.calling.call_tokens import CallTokens, grants
from mlserve.hub.calling.names import names
from mlserve.hub.calling.rules import lifetime
from mlserve.hub.certificates import Certificates
from mlserve.hub.comparing.recorder import recording
from mlserve.hub.events import Events
from mlserve.hub.experiments import Experiments
from mlserve.hub.exposure import exposure, keep
from mlserve.hub.fetching import Credentials
from mlserve.hub.groups.verbs import Groups
from mlserve.hub.home import Home
from mlserve.hub.hub import Hub
from mlserve.hub.keys import Keys
from mlserve.hub.links import Links
from mlserve.hub.places import Place, Places
from mlserve.hub.prepare import Preparer
from mlserve.hub.reconcile import Reconciler
from mlserve.hub.records import Version
from mlserve.hub.resource_groups import ResourceGroups
from mlserve.hub.servers import Server, open_to_others
from mlserve.hub.services import Services
from mlserve.hub.settings import Settings
from mlserve.hub.store.sqlite import SqliteStore
from mlserve.hub.tokens import Tokens
from mlserve.hub.uploads import Uploads
from mlserve.hub.wishes import Wishes

log = logging.getLogger("mlserve.hub")

_FLUSH_SECONDS = 60.0
"""For what instances wrote last to come to their buckets; what takes longer is left to the next hub."""
_POLL_SECONDS = 0.05


async def serve(settings: Settings) -> None:
    """Serve until a signal or the API says stop; raises HubStartFailed, GatewayFailed before anything was changed."""
    home = Home(settings.home)
    try:
        with _explained(home.path):
            wished = exposure(home, settings.exposure)
            certificates = Certificates(Path(wished.tls_cert), Path(wished.tls_key)) if wished.tls_cert else None
            store = SqliteStore(home.path / "hub.db")
            wishes = Wishes(store)
            listener = _listen("127.0.0.1:0")
            others = _listen(wished.listen) if wished.listen else None
            binary = Path(settings.envoy) if settings.envoy else None
            shown = certificates.current if certificates else None
            gateway = Gateway(home.path / "gateway", _gateway_address(settings), binary=binary, certificate=shown)
            await gateway.start()
            keep(home, wished)
            gateway_url = _gateway_url(gateway.address, certificates)
            recorder = recorder_socket(home.path / "gateway")
            told = replace(settings, address=_reached(listener), recorder=str(recorder))
            app = _assemble(told, home, store, wishes, gateway, gateway_url)
            await gateway.admit(app.state.tokens.access(time.time()))
        url = "http://{}:{}".format(*listener.getsockname())
        token = app.state.token
        app.state.url, app.state.open_at = url, _open_at(others, certificates)
        server = Server(app)
        take = app.state.reconciler.comparisons.take
        async with (
            recording(recorder, take), _looping(app), _renewing(certificates, gateway), app.state.arms.following()
        ):  # fmt: skip
            home.publish(url=url, token=token, gateway=gateway_url)
            log.info("event=serving url=%s gateway=%s pid=%s", url, gateway.address, os.getpid())
            async with open_to_others(app, others, certificates.context if certificates else None):
                await server.serve(sockets=[listener])
        if server.stop_all:
            await _stop_everything(app, gateway)
        store.close()
    finally:
        home.close()


@contextlib.contextmanager
def _explained(home: Path) -> Iterator[None]:
    """What keeps a hub from starting, in words: its files can't be read or written, or say what nobody understands."""
    try:
        yield
    except OSError as exc:
        raise HubStartFailed(
            f"the hub can't use {exc.filename or home}: {exc.strerror or exc}",
            hint="free some disk, or give this user the right to read and write there",
        ) from exc
    except (ValueError, TypeError, KeyError) as exc:
        log.exception("event=start-failed")
        raise HubStartFailed(
            f"what the hub keeps in {home} can't be understood: {exc}",
            hint="was it edited, or written by another version of mlserve? put its backup back, or use another home",
        ) from exc


def _assemble(
    settings: Settings, home: Home, store: SqliteStore, wishes: Wishes, gateway: Gateway, gateway_url: str
) -> FastAPI:
    places = Places(home.path, store, home.hub, gateway_url)
    tokens = Tokens(store, Keys(home.path / "keys"), home.hub)
    admission = Admission(home.path, home.secret, wishes, tokens.access)
    blueprints = Blueprints(home.path, wishes, admission, _credentials(wishes, places))
    content = storage.ContentStore(home.path / "content")
    preparer = Preparer(
        home.path, content, settings.offline, settings.base_image, _cache(settings), _credentials(wishes, places),
        settings.triton_image,
    )  # fmt: skip
    granted = grants(blueprints.limits, places, lifetime(settings.call_token))
    call_tokens = CallTokens(home.path, tokens, gateway.admit, granted)
    reconciler = Reconciler(settings, wishes, places, blueprints, preparer, gateway, admission, call_tokens)
    token = home.read("hub.json").get("token") or guard.make()
    app = application(token)
    services = Services(wishes, places, blueprints, reconciler, gateway_url)
    app.state.hub = Hub(wishes, places, blueprints, content, reconciler, services)
    app.state.services, app.state.resource_groups = services, ResourceGroups(wishes, places, reconciler)
    app.state.groups = Groups(wishes, blueprints.limits, services.seen, reconciler.wake, gateway_url)
    app.state.links = Links(store, links.places(wishes, blueprints.limits))
    experiments = Experiments(app.state.groups, services.seen, blueprints.limits)
    notes = Notes(gateway.noted, ledger := Ledger(home.path / "arms.db"), gateway.note_anew)
    app.state.arms = Arms(ledger, notes, experiments.of, admission.feedback)
    app.state.settings, app.state.preparer, app.state.gateway = settings, preparer, gateway
    app.state.uploads = Uploads(content)
    app.state.events = Events(store)
    app.state.names = partial(names, wishes, blueprints.limits)
    app.state.tokens, app.state.admission, app.state.call_tokens = tokens, admission, call_tokens
    app.state.reconciler, app.state.token = reconciler, token
    app.state.version, app.state.started_at = mlserve.__version__, time.time()
    app.state.gateway_url = gateway_url
    return app


def _credentials(wishes: Wishes, places: Places) -> Credentials:
    def of(version: Version) -> Mapping[str, str]:
        known = wishes.find(version.service)
        word = known.resource if known else resource_of(dict(version.descriptor))
        return places.pick(word).credentials

    return of


def _cache(settings: Settings) -> storage.Cache:
    folder = Path(os.path.abspath(os.path.expanduser(settings.cache))) if settings.cache else settings.home / "cache"
    try:
        return storage.Cache(folder, storage.bound_of(settings.cache_size, folder))
    except InvalidInput as exc:
        raise HubStartFailed(f"MLSERVE_CACHE_SIZE: {exc.message}", hint=exc.hint) from exc


@contextlib.asynccontextmanager
async def _renewing(certificates: Certificates | None, gateway: Gateway) -> AsyncIterator[None]:
    """Meanwhile a certificate that is replaced is shown by hub and gateway."""
    task = asyncio.create_task(certificates.watch(gateway.certify)) if certificates else None
    try:
        yield
    finally:
        if task:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _gateway_url(address: str, certificates: Certificates | None) -> str:
    """How callers reach the gateway: by a name of its certificate where it listens on all addresses."""
    host, _, port = address.rpartition(":")
    if certificates is None:
        return f"http://{address}"
    everywhere = host in ("0.0.0.0", "[::]")  # noqa: S104 - read, not bound
    return f"https://{(everywhere and certificates.name()) or host}:{port}"


def _open_at(listener: socket.socket | None, certificates: Certificates | None) -> str | None:
    """Where others reach the hub."""
    if listener is None:
        return None
    host, port = listener.getsockname()[:2]
    return f"{'https' if certificates else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


@contextlib.asynccontextmanager
async def _looping(app: FastAPI) -> AsyncIterator[None]:
    reconciler: Reconciler = app.state.reconciler
    # One look before the first answer: an adopted service is never shown as having no instances.
    await reconciler.first_look()
    loop = asyncio.create_task(reconciler.run())
    try:
        yield
    finally:
        loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loop


async def _stop_everything(app: FastAPI, gateway: Gateway) -> None:
    """End every instance and Envoy. The services stay, stopped: the next hub starts none of them by itself."""
    await gateway.stop()
    hub: Hub = app.state.hub
    for service in hub.wishes.services():
        hub.wishes.put(replace(service, stopped=True, generation=service.generation + 1))
    await asyncio.gather(*(_empty(hub, place) for place in hub.places.all()))
    await app.state.reconciler.written.flush(_FLUSH_SECONDS)
    await hub.places.close(for_good=True)


async def _empty(hub: Hub, place: Place) -> None:
    """End what runs at one place; where that can't be reached, the next hub stops it, once it can."""
    backend = place.backend
    mine = [service for service in hub.wishes.services() if service.resource == place.name]
    try:
        for service in mine if not backend.trouble else ():
            for version in hub.wishes.versions(service.name):
                await backend.remove(service.name, version.number)
            hub.wishes.put(replace(service, settled=service.generation))
        # Each has its own time to drain and is killed after it, so this ends. No event says "all gone".
        names = {service.name for service in mine}
        while not backend.trouble and names & {one.service for one in await backend.instances()}:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
    except MlserveError as exc:
        log.warning("event=not-stopped resource=%s reason=%r", place.name, exc.message)


def _gateway_address(settings: Settings) -> str | None:
    """Where the gateway is to listen; port 0 means any free one, which the gateway then keeps."""
    host, _, port = (settings.gateway or "").rpartition(":")
    if port != "0":
        return settings.gateway
    if (settings.home / "gateway" / "listen").exists():
        return None
    with socket.create_server((host, 0)) as free:
        return f"{host}:{free.getsockname()[1]}"


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    try:
        return socket.create_server((host, int(port or 0)), backlog=128)
    except (OSError, ValueError) as exc:
        raise HubStartFailed(
            f"the hub can't listen on {address}: {exc}",
            hint="choose another address with --listen, or end what has the port",
        ) from exc


def _reached(listener: socket.socket) -> str:
    """By which address this machine reaches a socket that may listen on all of them."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
