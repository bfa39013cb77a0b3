"""Routes of the tokens that the hub issues."""

from __future__ import annotations

import logging
import time
from typing import Any

from fastapi import APIRouter, Request

from mlserve.errors import GatewayFailed
from mlserve.hub.api.bodies import RotateBody, TokenBody
from mlserve.hub.api.token_answers import IssuedAnswer, KeysAnswer, TokenAnswer, TokensAnswer
from mlserve.hub.moments import moment
from mlserve.hub.tokens import Token, Tokens, Wanted

router = APIRouter(prefix="/v1/tokens", tags=["tokens"])
log = logging.getLogger("mlserve.hub")


@router.get("", responses={200: {"model": TokensAnswer}})
async def list_tokens(request: Request) -> dict[str, Any]:
    """Every token that lives or ended lately, newest first; never the tokens themselves."""
    return {"tokens": [_shown(request, token) for token in _tokens(request).all()]}


@router.post("", status_code=201, responses={201: {"model": IssuedAnswer}})
async def create_token(request: Request, body: TokenBody) -> dict[str, Any]:
    """A new token; it is in this answer and nowhere else."""
    wanted = Wanted(body.scopes, body.services, body.expires, body.label, body.rate_limit)
    token, text = _tokens(request).issue(wanted, time.time())
    try:
        await _admit(request)
    except GatewayFailed as exc:  # the loop brings it there with the next table
        log.warning("event=token-waits id=%s reason=%r", token.id, exc.message)
    return {**_shown(request, token), "token": text}


@router.delete("/{id}", responses={200: {"model": TokenAnswer}})
async def revoke_token(request: Request, id: str) -> dict[str, Any]:
    """It opens nothing any more, from the moment of this answer."""
    token = _tokens(request).revoke(id, time.time())
    await _admit(request)
    return _shown(request, token)


@router.post("/rotate", responses={200: {"model": KeysAnswer}})
async def rotate_keys(request: Request, body: RotateBody) -> dict[str, Any]:
    """A new key signs from now on; tokens of the former ones go on, unless ``remove``."""
    tokens = _tokens(request)
    tokens.rotate(time.time())
    await request.app.state.call_tokens.renew(time.time())
    await _admit(request)
    if body.remove:  # once all who ask others have been given what counts from here on
        tokens.remove_old()
        await _admit(request)
    return {"signing": tokens.keys()[0], "checking": list(tokens.keys())}


def _tokens(request: Request) -> Tokens:
    tokens: Tokens = request.app.state.tokens
    return tokens


async def _admit(request: Request) -> None:
    request.app.state.admission.tell(time.time())
    reconciler = request.app.state.reconciler
    await reconciler.telling.tell(tuple(reconciler.seen.values()))
    await request.app.state.gateway.admit(_tokens(request).access(time.time()))


def _shown(request: Request, token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "label": token.label,
        "scopes": list(token.scopes),
        "services": list(token.services),
        "rate_limit": token.rate or None,
        "state": _tokens(request).state(token, time.time()),
        "created_at": moment(token.created_at),
        "expires_at": moment(token.expires_at),
        "revoked_at": moment(token.revoked_at) if token.revoked_at else None,
        "key": token.kid,
    }
