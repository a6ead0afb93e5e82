"""The way of a request to an endpoint with tables: token, parameters, turn at the gate, the loop or a thread.

What lies in memory is answered by the server's loop itself, all else by a thread of the API's own.

FastAPI looks at an endpoint's signature anew for every request, which costs more than finding an answer that is kept.
Here it is read once; the description at `/docs` still comes from it, and errors are those of FastAPI. Endpoints take a
`Request`, an `ApiDep`, path parameters and one model of query parameters; what else they ask for is refused when the
server is composed. Of the dependencies only the token's is run. Next: `gate.py`, `service.py`.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, get_type_hints

from fastapi import APIRouter, Request, Response, params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError

from viewer.api.access import BEARER, require_token
from viewer.api.service import Api, ApiDep
from viewer.store import NotAtHand

Reader = Callable[[Request], Any]
EFFORT = 16_000  # rows that are worked on at once: the blocks of a whole new window and their texts, some milliseconds


class TableRoute(APIRoute):
    """Route of an endpoint that reads tables and is no coroutine."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        endpoint, readers = self.endpoint, _readers(self.endpoint)
        quick = getattr(endpoint, "from_memory", False)

        async def answer(request: Request) -> Response:
            await require_token(request, await BEARER(request))
            arguments = _arguments(readers, request)
            return await worked(request, partial(endpoint, **arguments), quick=quick)

        return answer


def from_memory(endpoint: Callable[..., Response]) -> Callable[..., Response]:
    """Mark an endpoint that mostly needs what the store holds in memory, and little time: it is tried at once.

    Everything it does that takes longer must ask the store (`Store.spend`), or read through it.
    """
    endpoint.from_memory = True
    return endpoint


async def worked(request: Request, work: Callable[[], Response], *, quick: bool = False) -> Response:
    """Return what `work` gives, done when it is this client's turn, in a thread.

    What is `quick` is first tried without one: handing it over, and two threads that wait for the interpreter's lock in
    turns, takes as long again as the work. It gives way once before: requests that came in the meantime queue at the
    gate in their order, and pages have their turn between them. Raises what `Gate.enter` raises.
    """
    api: Api = request.app.state.api
    async with api.gate.turn(request.client.host if request.client else ""):
        if quick:
            await asyncio.sleep(0)
            with suppress(NotAtHand), api.store.at_hand(EFFORT):
                return work()
        return await asyncio.get_running_loop().run_in_executor(api.workers, work)


def table_router(prefix: str = "", *, tag: str) -> APIRouter:
    """Return a router whose endpoints read tables."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=TableRoute)


def _readers(endpoint: Callable[..., Any]) -> dict[str, Reader]:
    """Return for each parameter of `endpoint` what finds it in a request.

    Raises:
        TypeError: a parameter is of a kind that endpoints with tables do not have, or the endpoint is a coroutine.
    """
    if inspect.iscoroutinefunction(endpoint):
        msg = f"{endpoint.__qualname__} is a coroutine; an endpoint with tables runs in a thread: write def"
        raise TypeError(msg)
    hints = get_type_hints(endpoint, include_extras=True)
    return {name: _reader(endpoint, name, hints[name]) for name in inspect.signature(endpoint).parameters}


def _reader(endpoint: Callable[..., Any], name: str, hint: Any) -> Reader:
    if hint is Request:
        return lambda request: request
    if hint == ApiDep:
        return lambda request: request.app.state.api
    kinds = [type(m) for m in getattr(hint, "__metadata__", ())]
    if params.Path in kinds:
        known = TypeAdapter(hint)
        return lambda request: _valid(known, request.path_params.get(name), ("path", name))
    if params.Query in kinds:
        model = TypeAdapter(hint.__origin__)
        return lambda request: _valid(model, dict(request.query_params), ("query",))
    msg = f"{endpoint.__qualname__}: {name} is {hint}; allowed are Request, ApiDep, a path parameter, a query model"
    raise TypeError(msg)


def _valid(known: TypeAdapter[Any], found: object, place: tuple[str, ...]) -> Any:
    try:
        return known.validate_python(found)
    except ValidationError as error:
        parts = error.errors(include_url=False)
        raise RequestValidationError([{**part, "loc": (*place, *part["loc"])} for part in parts]) from error


def _arguments(readers: dict[str, Reader], request: Request) -> dict[str, Any]:
    """Return the arguments of the endpoint.

    Raises:
        RequestValidationError: with everything that is wrong with the parameters.
    """
    arguments, wrong = {}, []
    for name, read in readers.items():
        try:
            arguments[name] = read(request)
        except RequestValidationError as error:
            wrong += error.errors()
    if wrong:
        raise RequestValidationError(wrong)
    return arguments
