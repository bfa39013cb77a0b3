"""What Envoy itself answers when there is no answer of an instance: JSON with code, message and hint. Pure.

Only Envoy's own replies are formed here; an instance's error passes as it is. A call of gRPC gets the message alone, in
its trailers, with the status that gRPC has for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlserve.gateway import tokens, vouching
from mlserve.gateway.arms import FEEDBACK_HEADER
from mlserve.gateway.cookie import LOGIN_HEADER
from mlserve.gateway.headers import overwriting
from mlserve.gateway.matches import of_upstreams

_SERVICE = 'service "%ROUTE_NAME%"'
_CALL_WORDS = {"not-found": "no service answers: name it in the metadata of the call (x-mlserve-service: NAME)"}
"""Where a call needs to be told something else."""
_CALL_STATUS = {
    "body-too-large": 8,
    "timed-out": 4,
    "bad-request": 3,
    "failed": 14,
    "denied": 16,
    "rate-limited": 8,
    "overloaded": 8,
    "no-version": 5,
}
"""Where Envoy's translation says too little: RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED, …"""
_ANOTHER = "mlserve token list shows what each one opens, mlserve token create makes another"
FAILED = 590
"""The status by which a route says that its service failed for good; it is 503 when it leaves."""
UNPINNED = 591
"""The status by which a route says that what a request named is not there; it is 404 when it leaves."""


def local_replies() -> dict[str, Any]:
    """The listener's ``local_reply_config``."""
    known = _of_login() + _of_feedback() + _of_issued() + _of_signed() + _by_flag() + _by_status()
    mappers = [_for_calls(mapper) for mapper in known] + known
    return {"mappers": _of_upstreams() + mappers, "body_format": _body("gateway", "%LOCAL_REPLY_BODY%")}


def _for_calls(mapper: dict[str, Any]) -> dict[str, Any]:
    """The same for a call of gRPC."""
    content_type = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
    error = mapper["body_format_override"]["json_format"]
    words = _CALL_WORDS.get(error["code"], error["error"])
    status = _CALL_STATUS.get(error["code"])
    headers = [] if status is None else [overwriting("grpc-status", str(status))]
    return mapper | {
        "filter": {"and_filter": {"filters": [{"header_filter": {"header": content_type}}, mapper["filter"]]}},
        "body_format_override": {"text_format_source": {"inline_string": words}, "content_type": "application/grpc"},
        "headers_to_add": [*headers, *mapper["headers_to_add"]],
    }


def _of_login() -> list[dict[str, Any]]:
    """Where a one-time code met no hub; ``login`` is no service."""
    here = {"name": LOGIN_HEADER, "present_match": True}
    words = _body(
        "no-hub", "the hub, which this link is for, does not answer", "mlserve hub start, then open the link again"
    )
    return [_of_hub(here, words)]


def _of_feedback() -> list[dict[str, Any]]:
    """Where feedback met no hub; the service itself may be well."""
    here = {"name": FEEDBACK_HEADER, "present_match": True}
    words = _body(
        "no-hub", "the hub, which keeps feedback, does not answer", "send it again later: told twice, it counts once"
    )
    return [_of_hub(here, words)]


def _of_hub(here: dict[str, Any], words: dict[str, Any]) -> dict[str, Any]:
    failed = {"status_code_filter": {"comparison": {"op": "GE", "value": _status(500)}}}
    filters = {"and_filter": {"filters": [{"header_filter": {"header": here}}, failed]}}
    return {"filter": filters, "body_format_override": words, "headers_to_add": _headers(retry=True)}


def _of_issued() -> list[dict[str, Any]]:
    """Where a token that the hub issued, or what looks like one, opens nothing: more is to be said than "wrong"."""
    looks_so = {"header_filter": {"header": tokens.header()}}
    kind = "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
    which = {"@type": kind, "expression": f"response.code_details.contains('[{tokens.REVOKED}]')"}
    revoked = {"extension_filter": {"name": "cel", "typed_config": which}}
    return [
        _refusal(revoked, 403, _body("denied", "the token was revoked", _ANOTHER)),
        _refusal(looks_so, 401, _body("denied", "the token is not accepted: %LOCAL_REPLY_BODY%", _ANOTHER)),
        _refusal(looks_so, 403, _body("refused", f"the token is not for {_SERVICE}", _ANOTHER)),
    ]


def _of_signed() -> list[dict[str, Any]]:
    """Where nobody can check a signed request: a wrong token is not what is the matter."""
    words = f"signed requests (Authorization: EAS …) can't be checked for {_SERVICE}"
    hint = "send the service's token itself, as 'Authorization: TOKEN'"
    return [_refusal({"header_filter": {"header": vouching.header()}}, 401, _body("denied", words, hint))]


def _of_upstreams() -> list[dict[str, Any]]:
    """Where the instances of a service are, as it stands in the route; or why nobody may know."""
    here = {"header_filter": {"header": of_upstreams()}}
    told = {"text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"}, "content_type": "application/json"}
    words = _body(
        "refused",
        f"{_SERVICE} can't be asked directly: %LOCAL_REPLY_BODY%",
        "ask it through the gateway",
    )
    return [_refusal(here, 200, told), _refusal(here, 403, words)]


def _refusal(about: dict[str, Any], status: int, body: dict[str, Any]) -> dict[str, Any]:
    with_status = {"status_code_filter": {"comparison": {"op": "EQ", "value": _status(status)}}}
    denied = body.get("json_format", {}).get("code") == "denied"
    mapper = {
        "filter": {"and_filter": {"filters": [about, with_status]}},
        "body_format_override": body,
        "headers_to_add": _headers(challenge=denied),
    }
    return mapper | ({"status_code": 401} if denied else {})


def _by_flag() -> list[dict[str, Any]]:
    """Why no instance answered. Where the fault may pass by itself, Retry-After says when to come again."""
    return [
        _on_flags(["UH", "NC"], 503, "no-instance", f"{_SERVICE} has no instance that could answer", retry=True),
        _on_flags(["UO"], 429, "overloaded", f"{_SERVICE} has too many requests in flight", retry=True),
        _on_flags(["SI", "UT", "DT"], None, "timed-out", f"{_SERVICE} did not answer before its deadline"),
        _on_flags(
            ["UF", "UC", "UR", "LR", "URX", "UPE"], 503, "instance-failed",
            f"the instance of {_SERVICE} closed the connection before it answered", retry=True,
        ),
    ]  # fmt: skip


def _by_status() -> list[dict[str, Any]]:
    return [
        _on_status(
            400, "bad-request", "what came is not HTTP: %RESPONSE_CODE_DETAILS%",
            hint="see the request line and headers that the client sends (curl -v shows them)",
        ),
        _on_status(
            401, "denied", f"the token of {_SERVICE} is missing or wrong",
            hint="send the header 'Authorization: TOKEN'; mlserve describe shows the token, and a link for browsers",
            challenge=True,
        ),
        _on_status(
            403, "refused", "%LOCAL_REPLY_BODY%", hint="ask from the service's own pages, or send its token",
        ),
        _on_status(
            404, "not-found", "no service answers at %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
            hint="the path is /api/predict/NAME; mlserve list shows the names",
        ),
        _on_status(
            413, "body-too-large", f"the request is larger than {_SERVICE} takes",
            hint="send less at once, or raise networking.max_body in the descriptor",
        ),
        _on_status(426, "old-http", "%PROTOCOL% is not spoken here", hint="use HTTP/1.1 or HTTP/2"),
        _on_status(
            431, "headers-too-large", "the request line and headers are too large: %RESPONSE_CODE_DETAILS%",
            hint="send at most 100 headers and 60 KB of them",
        ),
        _on_status(501, "not-implemented", "Transfer-Encoding may only be chunked", hint="or send Content-Length"),
        _on_status(429, "rate-limited", f"{_SERVICE} was asked too often", retry=True),
        _on_status(503, "stopped", f"{_SERVICE} is stopped or not ready yet", hint="mlserve start NAME", retry=True),
        _on_status(
            UNPINNED, "no-version", f"{_SERVICE} has nothing running that x-mlserve-version or x-mlserve-service names",
            hint="mlserve describe %ROUTE_NAME% shows what runs; leave the header out to be sent to any", leaves_as=404,
        ),
        _on_status(FAILED, "failed", f"{_SERVICE} has failed", hint="mlserve why %ROUTE_NAME%", leaves_as=503),
    ]  # fmt: skip


def _on_flags(
    flags: Sequence[str], status: int | None, code: str, message: str, *, retry: bool = False
) -> dict[str, Any]:
    hint = "mlserve instances NAME and mlserve logs NAME say more"
    mapper = {
        "filter": {"response_flag_filter": {"flags": list(flags)}},
        "body_format_override": _body(code, message, hint),
        "headers_to_add": _headers(retry=retry),
    }
    return mapper | ({} if status is None else {"status_code": status})


def _on_status(
    status: int,
    code: str,
    message: str,
    *,
    hint: str = "",
    retry: bool = False,
    challenge: bool = False,
    leaves_as: int | None = None,
) -> dict[str, Any]:
    mapper = {
        "filter": {"status_code_filter": {"comparison": {"op": "EQ", "value": _status(status)}}},
        "body_format_override": _body(code, message, hint),
        "headers_to_add": _headers(retry=retry, challenge=challenge),
    }
    return mapper | ({} if leaves_as is None else {"status_code": leaves_as})


def _status(number: int) -> dict[str, Any]:
    return {"default_value": number, "runtime_key": f"mlserve.status.{number}"}


def _headers(*, retry: bool = False, challenge: bool = False) -> list[dict[str, Any]]:
    headers = [("retry-after", "1")] * retry + [("www-authenticate", "Bearer")] * challenge
    return [overwriting(key, value) for key, value in headers]


def _body(code: str, message: str, hint: str = "") -> dict[str, Any]:
    # The shape of the runtime's own errors, and of the Open Inference Protocol's: "error" is a text.
    error = {"error": message, "code": code} | ({"hint": hint} if hint else {})
    return {"json_format": error, "content_type": "application/json"}
