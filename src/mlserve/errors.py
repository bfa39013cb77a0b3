"""Every error of mlserve, as one tree: each class carries its wire code, HTTP status and exit code.

MlserveError                  error                 500   1
├── InvalidInput              invalid-input         400   2
│   └── InvalidDescriptor     invalid-descriptor    422   2
├── NotFound                  not-found             404   3
├── Conflict                  conflict              409   4
├── Denied                    denied                401   5
│   └── Forbidden             forbidden             403   5
├── HubUnreachable            hub-unreachable       503   6
│   └── HubStartFailed        hub-start-failed      503   6
├── TimedOut                  timed-out             504   7
├── NoCapacity                no-capacity           507   8
├── UpdateFailed              update-failed         500   9
├── StartFailed               start-failed          500   1
├── FetchFailed               fetch-failed          502   1
├── EnvironmentFailed         environment-failed    500   1
├── BuildFailed               build-failed          500   1
├── ResourceUnavailable       resource-unavailable  503   1
├── GatewayFailed             gateway-failed        502   1
└── RequestFailed             request-failed        502   1
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

Detail = dict[str, Any]
"""One entry of an error's details: mostly ``{"pointer", "code", "message"}``; frames and log lines travel here, too."""


class MlserveError(Exception):
    """Something known went wrong: what was wished and what happened, then ``hint``: what to do next."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", details: Sequence[Detail] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = list(details)

    def to_dict(self) -> dict[str, Any]:
        """The form printed with ``-o json``."""
        return {"code": self.code, "message": self.message, "hint": self.hint, "details": self.details}


class InvalidInput(MlserveError):
    """The caller's input can't be used as it is."""

    code, status, exit_code = "invalid-input", 400, 2


class InvalidDescriptor(InvalidInput):
    """A descriptor has fields that are wrong, unknown or unsupported; ``details`` has one entry each."""

    code, status, exit_code = "invalid-descriptor", 422, 2


class NotFound(MlserveError):
    """What was named does not exist."""

    code, status, exit_code = "not-found", 404, 3


class Conflict(MlserveError):
    """The name is taken, or the record changed since it was read, or a release is under way."""

    code, status, exit_code = "conflict", 409, 4


class Denied(MlserveError):
    """No token, or one that is not taken."""

    code, status, exit_code = "denied", 401, 5


class Forbidden(Denied):
    """The token is a good one, and not for this."""

    code, status, exit_code = "forbidden", 403, 5


class HubUnreachable(MlserveError):
    """No hub answers at the address that was found."""

    code, status, exit_code = "hub-unreachable", 503, 6


class HubStartFailed(HubUnreachable):
    """The local hub could not be started."""

    code, status, exit_code = "hub-start-failed", 503, 6


class TimedOut(MlserveError):
    """The wait ended; what was wished is still in progress."""

    code, status, exit_code = "timed-out", 504, 7


class NoCapacity(MlserveError):
    """The place does not have what the service asks for."""

    code, status, exit_code = "no-capacity", 507, 8


class UpdateFailed(MlserveError):
    """The new version failed; the previous one still serves."""

    code, status, exit_code = "update-failed", 500, 9


class StartFailed(MlserveError):
    """A service could not be brought to answer; ``details[0]`` is the failure record."""

    code, status, exit_code = "start-failed", 500, 1


class FetchFailed(MlserveError):
    """A model, code or data address could not be fetched."""

    code, status, exit_code = "fetch-failed", 502, 1


class EnvironmentFailed(MlserveError):
    """An instance's Python environment could not be built."""

    code, status, exit_code = "environment-failed", 500, 1


class BuildFailed(MlserveError):
    """An image could not be built; ``details[0]`` has the failing ``step`` and its last lines as ``log``."""

    code, status, exit_code = "build-failed", 500, 1


class ResourceUnavailable(MlserveError):
    """A resource group can't be reached or asked just now; what runs there may well go on."""

    code, status, exit_code = "resource-unavailable", 503, 1


class GatewayFailed(MlserveError):
    """Envoy can't be started, or refused a configuration."""

    code, status, exit_code = "gateway-failed", 502, 1


class RequestFailed(MlserveError):
    """A deployed service answered a request with an error."""

    code, status, exit_code = "request-failed", 502, 1


def _classes(root: type[MlserveError] = MlserveError) -> Iterator[type[MlserveError]]:
    """Those of this file: others bear the same codes, are made in their own way, and are not what callers catch."""
    yield root
    for child in root.__subclasses__():
        if child.__module__ == __name__:
            yield from _classes(child)


def from_problem(problem: Mapping[str, Any]) -> MlserveError:
    """The error that an ``application/problem+json`` body (RFC 9457) stands for, as the same class again."""
    code = str(problem.get("code", ""))
    cls = next((cls for cls in _classes() if cls.code == code), MlserveError)
    message = str(problem.get("detail") or problem.get("title") or "the hub answered with an error")
    return cls(message, hint=str(problem.get("hint", "")), details=list(problem.get("errors", [])))


def to_problem(error: MlserveError) -> dict[str, Any]:
    """The ``application/problem+json`` body of an error; ``errors[].pointer`` names descriptor fields."""
    return {
        "type": f"urn:mlserve:error:{error.code}",
        "title": error.code.replace("-", " ").capitalize(),
        "status": error.status,
        "code": error.code,
        "detail": error.message,
        "hint": error.hint,
        "errors": error.details,
    }
