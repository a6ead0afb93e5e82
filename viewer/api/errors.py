"""Everything that can be wrong with a request, as named exceptions, and the one shape in which a client sees it.

The message says what was found and what is allowed. No endpoint makes an error answer by hand.
"""

from collections.abc import Callable, Sequence

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from viewer.series import EmptyWindow, UnknownSignal
from viewer.store import TableBroken, TableMissing

ALLOWED_SHOWN = 50
FOUND_SHOWN = 80


class Problem(BaseModel):
    """Answer to a request that cannot be met."""

    error: str = Field(description="short name of the problem, for programs", examples=["unknown_device"])
    detail: str = Field(
        description="what was found and what to do, for people",
        examples=["no device 'm9'; there are m1, m2, m3"],
    )
    allowed: list[str] = Field([], description=f"what exists or is allowed, at most {ALLOWED_SHOWN}", examples=[["m1"]])


class ApiError(Exception):
    """A request that cannot be met: status, short name, message and what is allowed."""

    status = 422
    error = "invalid_parameter"
    headers: dict[str, str] | None = None

    def __init__(self, detail: str, allowed: Sequence[object] = ()) -> None:
        self.detail, self.allowed = detail, [str(a) for a in allowed][:ALLOWED_SHOWN]
        super().__init__(detail)


class InvalidParameter(ApiError):  # noqa: N818 - named as states
    """A parameter has a value that is not allowed."""


class UnknownDevice(ApiError):  # noqa: N818 - named as states
    """There is no such device, or it is not of the kind that the endpoint needs."""

    status, error = 404, "unknown_device"


class UnknownPart(ApiError):  # noqa: N818 - named as states
    """The system has no such pack or cell."""

    status, error = 404, "unknown_part"


class NoData(ApiError):  # noqa: N818 - named as states
    """The device exists, but the lake holds nothing of what was asked for."""

    status, error = 404, "no_data"


class NotAcceptable(ApiError):  # noqa: N818 - named as states
    """`Accept` names none of the formats."""

    status, error = 406, "not_acceptable"


class NothingToClear(ApiError):  # noqa: N818 - named as states
    """The endpoint of the older tool has lost its purpose."""

    status, error = 410, "nothing_to_clear"


class TooLarge(ApiError):  # noqa: N818 - named as states
    """The answer would have more rows than one answer may have."""

    status, error = 413, "too_large"


class Unauthorised(ApiError):  # noqa: N818 - named as states
    """The token is missing or wrong."""

    status, error, headers = 401, "unauthorised", {"www-authenticate": "Bearer"}


class TooManyRequests(ApiError):  # noqa: N818 - named as states
    """This client has too many requests waiting."""

    status, error, headers = 429, "too_many_requests", {"retry-after": "1"}


class Overloaded(ApiError):  # noqa: N818 - named as states
    """Too many requests of all clients are waiting."""

    status, error, headers = 503, "overloaded", {"retry-after": "2"}


def problem(status: int, error: str, detail: str, allowed: Sequence[str] = (), **headers: str) -> JSONResponse:
    """Return the answer for a problem."""
    body = Problem(error=error, detail=detail, allowed=list(allowed)[:ALLOWED_SHOWN])
    return JSONResponse(body.model_dump(), status_code=status, headers={"cache-control": "no-store", **headers})


def add_handlers(app: FastAPI) -> None:
    """Let the server answer every named exception in the one shape."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    for kind, status, error in (
        (TableMissing, 404, "table_missing"),
        (TableBroken, 503, "table_broken"),
        (UnknownSignal, 404, "unknown_signal"),
        (EmptyWindow, 422, "empty_window"),
    ):
        app.add_exception_handler(kind, _named(status, error))


def _api_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)  # noqa: S101 - registered for this type only
    return problem(error.status, error.error, error.detail, error.allowed, **(error.headers or {}))


def _named(status: int, name: str) -> Callable[[Request, Exception], JSONResponse]:
    def handler(_request: Request, error: Exception) -> JSONResponse:
        return problem(status, name, str(error))

    return handler


def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type only
    parts, allowed = [], []
    for e in error.errors():
        where = ".".join(str(p) for p in e["loc"][1:]) or str(e["loc"][0])
        if e["type"] == "extra_forbidden":
            allowed = _parameters(request)
            parts.append(f"no parameter {where[:FOUND_SHOWN]!r}; there are {', '.join(allowed)}")
        else:
            found = str(e.get("input"))[:FOUND_SHOWN]
            parts.append(f"{where}: {e['msg'].removeprefix('Value error, ')} (found {found!r})")
    return problem(422, InvalidParameter.error, "; ".join(parts), allowed)


def _parameters(request: Request) -> list[str]:
    """Return the names of the query parameters of the endpoint."""
    operation = request.app.openapi()["paths"].get(request.scope["route"].path, {}).get("get", {})
    return [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
