"""Everything that can be wrong with a request, as named exceptions, and the one shape in which a client sees it.

The message says what was found and what is allowed. No endpoint makes an error answer by hand.
"""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as StarletteHTTPException
from tornado.web import HTTPError as TornadoHTTPError

from viewer.series import EmptyWindow, UnknownSignal
from viewer.store import TableBroken, TableMissing

ALLOWED_SHOWN = 50
FOUND_SHOWN = 80
ERROR_NAMES = {404: "not_found", 405: "method_not_allowed", 422: "invalid_parameter"}


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
    app.add_exception_handler(StarletteHTTPException, _http)
    app.add_exception_handler(TornadoHTTPError, _of_panel)
    for kind, status, error, allowed in (
        (TableMissing, 404, "table_missing", _tables),
        (TableBroken, 503, "table_broken", _nothing),
        (UnknownSignal, 404, "unknown_signal", _signals),
        (EmptyWindow, 422, "empty_window", _nothing),
    ):
        app.add_exception_handler(kind, _named(status, error, allowed))


def _api_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)  # noqa: S101 - registered for this type only
    return problem(error.status, error.error, error.detail, error.allowed, **(error.headers or {}))


def _named(
    status: int, name: str, allowed: Callable[[Request, Any], Sequence[str]]
) -> Callable[[Request, Exception], JSONResponse]:
    def handler(request: Request, error: Exception) -> JSONResponse:
        return problem(status, name, str(error), allowed(request, error))

    return handler


def _nothing(_request: Request, _error: Exception) -> list[str]:
    return []


def _signals(_request: Request, error: UnknownSignal) -> list[str]:
    return error.known


def _tables(request: Request, _error: TableMissing) -> list[str]:
    return [name for name, version in request.app.state.api.store.versions().items() if version is not None]


def _http(request: Request, error: Exception) -> JSONResponse:
    """Answer for what the server itself refuses: a path that does not exist, a method that the path does not have."""
    assert isinstance(error, StarletteHTTPException)  # noqa: S101 - registered for this type only
    status, path, detail, allowed = error.status_code, request.url.path[:FOUND_SHOWN], str(error.detail), []
    headers = {k.lower(): v for k, v in (error.headers or {}).items()}
    if status == 405:
        methods = {m.strip() for m in headers.get("allow", "GET").split(",")}
        allowed = sorted(methods | {"HEAD"} if "GET" in methods else methods)
        headers["allow"] = ", ".join(allowed)
        detail = f"{path!r} has no method {request.method}; there are {headers['allow']}"
    elif status == 404 and detail == HTTPStatus.NOT_FOUND.phrase:
        allowed = list(request.app.openapi()["paths"])
        detail = f"no path {path!r}; /api names all of them, /docs describes them"
    return problem(status, ERROR_NAMES.get(status, "refused"), detail, allowed, **headers)


def _of_panel(request: Request, error: Exception) -> JSONResponse:
    """Answer for a component's file: Panel speaks tornado's language there; what names no file does not exist."""
    assert isinstance(error, TornadoHTTPError)  # noqa: S101 - registered for this type only
    return _http(request, StarletteHTTPException(404 if error.status_code == 400 else error.status_code))


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
