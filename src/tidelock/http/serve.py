"""The server's side of an interface: `mount(app, OrdersImpl())` for FastAPI, Starlette, Litestar and Flask.

The implementation is a subclass of the interface that overrides every method; what is missing fails here, at
mount, not at the first call. Under FastAPI a method whose types pydantic understands becomes a route of
FastAPI's own and stands in its OpenAPI document; one with msgspec Structs is served all the same, but does
not. Flask runs plain functions and, in a loop kept per thread, coroutine functions. May import `answering`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tidelock.errors import UsageError
from tidelock.http.answering import SERVING, Answer, Endpoint
from tidelock.http.codec import mentions_struct
from tidelock.http.declarative import HOLE, Operation, Parameter, Place, declared_function, operations
from tidelock.http.exchange import Response as ClientResponse
from tidelock.web import BodyTooLargeError, read_body

REQUEST = "tidelock_request"
"""The parameter in which FastAPI hands over the request; it is none of the interface's."""


def mount(app: Any, implementation: object) -> None:
    """Add routes for every method of an implementation.

    Args:
        app: FastAPI, Starlette, Litestar or Flask.
        implementation: an instance of a subclass of the interface.

    Raises:
        UsageError: a method is not overridden, not async (Flask takes both), or takes other parameters than
            the interface; or the application is of none of these kinds.
    """
    kind = type(implementation)
    found = sorted(operations(kind), key=_specificity)
    flask = hasattr(app, "wsgi_app") and hasattr(app, "add_url_rule")
    problems = [problem for operation in found if (problem := _difference(kind, operation, flask))]
    if problems:
        raise UsageError(f"{kind.__qualname__} does not implement its interface: {'; '.join(problems)}")
    for operation in found:
        method = getattr(implementation, operation.name)
        if flask:
            from tidelock.http.serve_flask import add as add_flask  # needs the extra's framework

            add_flask(app, Endpoint(operation), method)
        elif type(app).__module__.startswith("litestar"):
            from tidelock.http.serve_litestar import add as add_litestar  # needs the framework

            add_litestar(app, Endpoint(operation), method)
        elif hasattr(app, "add_api_route") and _suits_fastapi(operation):
            _mount_fastapi(app.add_api_route, Endpoint(operation), method)
        elif hasattr(app, "router"):
            route = _StarletteRoute(Endpoint(operation), method)
            app.router.routes.append(Route(operation.path, route.answer, methods=[operation.verb]))
        else:
            raise UsageError(
                f"{type(app).__qualname__} is no FastAPI, Starlette, Litestar or Flask application"
            )


def _specificity(operation: Operation) -> list[bool]:
    """Sorts `/orders/count` before `/orders/{id}`: routers take the first that matches."""
    return [bool(HOLE.search(segment)) for segment in operation.path.split("/")]


def _difference(kind: type, operation: Operation, flask: bool) -> str | None:
    function = getattr(kind, operation.name)
    if function is declared_function(kind, operation.name):
        return f"{operation.name} is missing"
    wanted_async = operation.shape == "value"
    if inspect.iscoroutinefunction(function) is not wanted_async and not (flask and wanted_async):
        return f"{operation.name} is {'not ' if wanted_async else ''}async"
    given = set(list(inspect.signature(function).parameters)[1:])
    wanted = {item.name for item in operation.parameters}
    return None if given == wanted else f"{operation.name} takes {sorted(given)} instead of {sorted(wanted)}"


class _StarletteRoute:
    """One method on Starlette's terms."""

    def __init__(self, endpoint: Endpoint, method: Callable[..., Any]) -> None:
        self._endpoint = endpoint
        self._method = method

    async def answer(self, request: Request) -> Response:
        """Read the request, call the method, write its result."""
        asked = StarletteAsked(request)
        with SERVING.begin(self._endpoint.operation, asked.header) as served:
            response = await self._answered(request, asked)
            served.status = response.status_code
            return response

    async def _answered(self, request: Request, asked: StarletteAsked) -> Response:
        body = b""
        if self._endpoint.body is not None:
            try:
                body = await read_body(request)
            except BodyTooLargeError as error:
                return _written(Answer.error(413, error.what))
        return _written(await self._endpoint.serve(self._method, asked, body))


class StarletteAsked:
    """See answering.Asked."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def path(self, name: str) -> list[str]:
        """See Asked."""
        return [self._request.path_params[name]]

    def query(self, name: str) -> list[str]:
        """See Asked."""
        return self._request.query_params.getlist(name)

    def query_names(self) -> list[str]:
        """See Asked."""
        return list(self._request.query_params)

    def header(self, name: str) -> list[str]:
        """See Asked."""
        return self._request.headers.getlist(name)


def _written(answer: Any) -> Response:
    if isinstance(answer, Answer):
        headers = {} if answer.media is None else {"content-type": answer.media}
        if answer.stream is not None:
            return StreamingResponse(answer.stream, answer.status, headers)
        return Response(answer.body, answer.status, headers)
    made: Response = answer
    return made


def _suits_fastapi(operation: Operation) -> bool:
    if operation.shape != "value" or any(
        item.is_object or item.separator or item.encoding != "json" for item in operation.parameters
    ):
        return False
    kinds = [item.type for item in operation.parameters] + [operation.result]
    return not any(mentions_struct(kind) or kind is bytes for kind in kinds)


def _mount_fastapi(
    add_api_route: Callable[..., None], endpoint: Endpoint, method: Callable[..., Any]
) -> None:
    import fastapi  # the application is one, so it is there

    operation = endpoint.operation
    markers: dict[Place, Callable[[Parameter], Any]] = {
        Place.PATH: lambda item: fastapi.Path(),
        Place.QUERY: lambda item: fastapi.Query(alias=item.wire),
        Place.HEADER: lambda item: fastapi.Header(alias=item.wire),
        Place.BODY: lambda item: fastapi.Body(),
    }

    async def answer(**values: Any) -> Response:
        asked = StarletteAsked(values.pop(REQUEST))
        with SERVING.begin(operation, asked.header) as served:
            response = _written(await endpoint.call(method, values))
            served.status = response.status_code
            return response

    answer.__name__ = operation.name
    answer.__doc__ = inspect.getdoc(method)  # the interface's, where the implementation has none
    answer.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # what FastAPI reads
        [
            inspect.Parameter(
                item.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=item.default,
                annotation=Annotated[item.type, markers[item.place](item)],
            )
            for item in operation.parameters
        ]
        + [inspect.Parameter(REQUEST, inspect.Parameter.KEYWORD_ONLY, annotation=fastapi.Request)]
    )
    nothing = operation.result in (None, type(None), ClientResponse)
    model = None if nothing else operation.result
    status = 204 if operation.result in (None, type(None)) else 200
    add_api_route(
        operation.path,
        answer,
        methods=[operation.verb],
        response_model=model,
        status_code=status,
        responses={code: {"description": kind.__name__} for code, kind in operation.errors.items()},
    )
