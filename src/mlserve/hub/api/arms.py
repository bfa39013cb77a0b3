"""Routes of arms that are compared: what callers tell comes through the gateway, who asks for a report may manage."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from mlserve.gateway.arms import FEEDBACK_HEADER, FEEDBACK_PATH
from mlserve.hub.api.arm_answers import ArmsAnswer, FeedbackAnswer
from mlserve.hub.api.services import caller_of
from mlserve.hub.arms.feedback import DEFAULT
from mlserve.hub.arms.verbs import Arms

router = APIRouter(tags=["groups"])


Since = Annotated[float | None, Query(gt=0, allow_inf_nan=False)]


@router.get("/v1/groups/{name}/ab", responses={200: {"model": ArmsAnswer}})
async def compare_members(
    request: Request, name: str, metric: str = DEFAULT, since: Since = None, control: str = ""
) -> dict[str, Any]:
    """How the members of a group do beside one another; ``since``: seconds back from now."""
    caller_of(request).require(name)
    return await _arms(request).report(name, metric=metric, since=since, control=control)


@router.get("/v1/services/{name}/ab", responses={200: {"model": ArmsAnswer}})
async def compare_versions(
    request: Request, name: str, metric: str = DEFAULT, since: Since = None, control: str = ""
) -> dict[str, Any]:
    """How both versions of a service's release do; ``since``: seconds back from now."""
    return await _arms(request).report(name, metric=metric, since=since, control=control)


@router.post(FEEDBACK_PATH + "{name}", include_in_schema=False, responses={200: {"model": FeedbackAnswer}})
async def take_feedback(request: Request, name: str) -> dict[str, Any]:
    """What a caller tells of answers, the token checked by the gateway."""
    arms = _arms(request)
    arms.require(name, request.headers.get(FEEDBACK_HEADER, ""))  # before a byte is kept: here anybody may knock
    return await arms.feedback(name, await request.body())


def _arms(request: Request) -> Arms:
    arms: Arms = request.app.state.arms
    return arms
