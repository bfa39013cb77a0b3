"""The parts of a hub put together: what each is given, and where routes of the API find it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from fastapi import FastAPI

import mlserve
from mlserve import storage
from mlserve.descriptor import resource_of
from mlserve.errors import HubStartFailed, InvalidInput
from mlserve.gateway.envoy import Gateway
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
from mlserve.hub.events import Events
from mlserve.hub.experiments import Experiments
from mlserve.hub.fetching import Credentials
from mlserve.hub.groups.joining import tokens_of
from mlserve.hub.groups.verbs import Groups
from mlserve.hub.home import Home
from mlserve.hub.hub import Hub
from mlserve.hub.keys import Keys
from mlserve.hub.links import Links
from mlserve.hub.places import Places
from mlserve.hub.prepare import Preparer
from mlserve.hub.reconcile import Reconciler
from mlserve.hub.records import Service, Version
from mlserve.hub.resource_groups import ResourceGroups
from mlserve.hub.services import Services
from mlserve.hub.settings import Settings
from mlserve.hub.store.sqlite import SqliteStore
from mlserve.hub.tokens import Tokens
from mlserve.hub.uploads import Uploads
from mlserve.hub.wishes import Wishes


def assemble(
    settings: Settings, home: Home, store: SqliteStore, wishes: Wishes, gateway: Gateway, gateway_url: str
) -> FastAPI:
    """The API of one hub, with everything behind it; nothing runs yet. Raises HubStartFailed, InvalidInput."""
    places = Places(home.path, store, home.hub, gateway_url)
    tokens = Tokens(store, Keys(home.path / "keys"), home.hub)

    def groups(service: Service) -> Mapping[str, str]:  # nobody asks before the blueprints are there
        return tokens_of(wishes, blueprints.limits, service)

    admission = Admission(home.path, home.secret, wishes, tokens.access, groups)
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
    notes = Notes(gateway.noted, ledger := Ledger(home.path / "arms.db"), gateway.reopen_logs)
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
