"""What the OpenAPI document says about statuses and formats, the same for all endpoints with tables."""

from typing import Any

from viewer.api.errors import Problem
from viewer.api.formats import MEDIA

_BINARY = {"schema": {"type": "string", "format": "binary"}}


def table_responses() -> dict[int | str, dict[str, Any]]:
    """Return the responses of an endpoint that answers as JSON, Arrow and CSV."""
    content = {
        "text/csv": {"schema": {"type": "string"}},
        **{MEDIA[name]: _BINARY for name in ("arrow", "arrow_stream")},
    }
    return {
        200: {
            "description": "the numbers; `ETag` changes with the versions of the tables",
            "content": content,
            "headers": {"ETag": {"schema": {"type": "string"}, "description": "send it as If-None-Match to get a 304"}},
        },
        304: {"description": "nothing has changed since the ETag that was sent"},
        **problems(401, 404, 406, 413, 422, 429, 503),
    }


_WORDS = {
    401: "the token is missing or wrong",
    404: "unknown device, signal, pack or cell, or a table that is not there yet; the answer names what exists",
    406: "`Accept` names none of the formats",
    410: "the endpoint has lost its purpose; the answer says why",
    413: "the answer would be too large; the answer says how to ask for less",
    422: "a parameter is not allowed; the answer says what is",
    429: "too many requests of this client are waiting",
    503: "too many requests are waiting, or a table cannot be read",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the responses for some problems."""
    return {s: {"model": Problem, "description": _WORDS[s]} for s in statuses}
