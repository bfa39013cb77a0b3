"""Routes of service groups."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from mlserve.hub.api.bodies import TrafficBody
from mlserve.hub.api.group_answers import GroupAnswer, GroupsAnswer
from mlserve.hub.api.services import caller_of
from mlserve.hub.fallback import with_counts
from mlserve.hub.groups.traffic import Wish
from mlserve.hub.groups.verbs import Groups

router = APIRouter(prefix="/v1/groups", tags=["groups"])


@router.get("", responses={200: {"model": GroupsAnswer}})
async def list_groups(request: Request) -> dict[str, Any]:
    """The groups that are the caller's."""
    return {"groups": [shown for shown in _groups(request).list() if caller_of(request).manages(shown["name"])]}


@router.get("/{name}", responses={200: {"model": GroupAnswer}})
async def describe_group(request: Request, name: str) -> dict[str, Any]:
    """One group."""
    caller_of(request).require(name)
    return await with_counts(request.app.state.gateway, _groups(request).describe(name))


@router.post("/{name}/traffic", responses={200: {"model": GroupAnswer}})
async def share_traffic(request: Request, name: str, body: TrafficBody) -> dict[str, Any]:
    """Share its requests otherwise; who may has to look after the group and each of its members."""
    caller_of(request).require(name)
    for each in _groups(request).names(name):
        caller_of(request).require(each)
    return _groups(request).traffic(name, Wish(**body.model_dump()))


def _groups(request: Request) -> Groups:
    groups: Groups = request.app.state.groups
    return groups
