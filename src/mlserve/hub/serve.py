"""A hub from start to stop: what is begun in which order, and ended in the opposite one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

from fastapi import FastAPI

from mlserve.errors import HubStartFailed
from mlserve.gateway.envoy import Gateway
from mlserve.gateway.recording import recorder_socket
from mlserve.hub.addresses import endpoint_of, gateway_address, listen, open_at, reached
from mlserve.hub.assembly import assemble
from mlserve.hub.certificates import Certificates
from mlserve.hub.comparing.recorder import recording
from mlserve.hub.exposure import exposure, keep
from mlserve.hub.home import Home
from mlserve.hub.reconcile import Reconciler
from mlserve.hub.servers import Server, open_to_others
from mlserve.hub.settings import Settings
from mlserve.hub.shutdown import stop_everything
from mlserve.hub.store.sqlite import SqliteStore
from mlserve.hub.wishes import Wishes

log = logging.getLogger("mlserve.hub")


async def serve(settings: Settings) -> None:
    """Serve until a signal or the API says stop; raises HubStartFailed, GatewayFailed before anything was changed."""
    home = Home(settings.home)
    try:
        with _explained(home.path):
            wished = exposure(home, settings.exposure)
            certificates = Certificates(Path(wished.tls_cert), Path(wished.tls_key)) if wished.tls_cert else None
            store = SqliteStore(home.path / "hub.db")
            wishes = Wishes(store)
            listener = listen("127.0.0.1:0")
            others = listen(wished.listen) if wished.listen else None
            binary = Path(settings.envoy) if settings.envoy else None
            shown = certificates.current if certificates else None
            gateway = Gateway(home.path / "gateway", gateway_address(settings), binary=binary, certificate=shown)
            await gateway.start()
            keep(home, wished)
            gateway_url = endpoint_of(gateway.address, certificates)
            recorder = recorder_socket(home.path / "gateway")
            told = replace(settings, address=reached(listener), recorder=str(recorder))
            app = assemble(told, home, store, wishes, gateway, gateway_url)
            await gateway.admit(app.state.tokens.access(time.time()))
        url = "http://{}:{}".format(*listener.getsockname())
        token = app.state.token
        app.state.url, app.state.open_at = url, open_at(others, certificates)
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
            await stop_everything(app, gateway)
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
