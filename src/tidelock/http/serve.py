"""The server's side of an interface: `mount(app, OrdersImpl())` for Starlette and FastAPI.

The implementation is a subclass of the interface that overrides every method; what is missing fails here, at
mount, not at the first call. Requests are read by the same rules by which the client writes them, and the
error map is used backwards: an exception named in `errors=` becomes its status, None of an optional
result 404. Under FastAPI a method whose types pydantic understands becomes a route of FastAPI's own and
stands in its OpenAPI document; one with msgspec Structs is served all the same, but does not.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tidelock.errors import UsageError
from tidelock.http.codec import decoder, encoder, mentions_struct, reader
from tidelock.http.declarative import HOLE, Operation, Parameter, Place, declared_function, operations
from tidelock.http.exchange import Response as ClientResponse
from tidelock.web import BodyTooLargeError, read_body

if TYPE_CHECKING:
    from starlette.applications import Starlette

Method = Callable[..., Awaitable[Any]]


class BadRequest(ValueError):
    """A request that does not fit; becomes the answer `status` with the text as `detail`."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def mount(app: Starlette, implementation: object) -> None:
    """Add routes for every method of an implementation.

    Args:
        app: Starlette or FastAPI.
        implementation: an instance of a subclass of the interface.

    Raises:
        UsageError: a method is not overridden, not async, or takes other parameters than the interface.
    """
    kind = type(implementation)
    found = sorted(operations(kind), key=_specificity)
    problems = [problem for operation in found if (problem := _difference(kind, operation))]
    if problems:
        raise UsageError(f"{kind.__qualname__} does not implement its interface: {'; '.join(problems)}")
    add_api_route = getattr(app, "add_api_route", None)
    for operation in found:
        method: Method = getattr(implementation, operation.name)
        if add_api_route is not None and _suits_fastapi(operation):
            _mount_fastapi(add_api_route, operation, method)
        else:
            endpoint = Endpoint(operation, method)
            app.router.routes.append(Route(operation.path, endpoint.answer, methods=[operation.verb]))


def _specificity(operation: Operation) -> list[bool]:
    """Sorts `/orders/count` before `/orders/{id}`: routers take the first that matches."""
    return [bool(HOLE.search(segment)) for segment in operation.path.split("/")]


def _difference(kind: type, operation: Operation) -> str | None:
    function = getattr(kind, operation.name)
    if function is declared_function(kind, operation.name):
        return f"{operation.name} is missing"
    if not inspect.iscoroutinefunction(function):
        return f"{operation.name} is not async"
    given = set(list(inspect.signature(function).parameters)[1:])
    wanted = {item.name for item in operation.parameters}
    return None if given == wanted else f"{operation.name} takes {sorted(given)} instead of {sorted(wanted)}"


class Endpoint:
    """Answers one operation on Starlette's terms."""

    def __init__(self, operation: Operation, method: Method) -> None:
        self._method = method
        self._reply = Reply(operation)
        self._readers = [(item, reader(item.type)) for item in operation.parameters if _is_text(item)]
        bodies = [item for item in operation.parameters if item.place is Place.BODY]
        self._body = bodies[0] if bodies else None
        self._decode = decoder(bodies[0].type) if bodies else None

    async def answer(self, request: Request) -> Response:
        """Read the request, call the method, write its result."""
        try:
            values = {item.name: read(_texts(request, item)) for item, read in self._readers_for(request)}
            if self._body is not None:
                values[self._body.name] = await self._read_body(request, self._body)
        except BadRequest as error:
            return _error(error.status, str(error))
        return await self._reply.to(self._method, values)

    def _readers_for(self, request: Request) -> list[tuple[Parameter, Callable[[list[str]], Any]]]:
        return [(item, _named(item, read)) for item, read in self._readers if _is_given(request, item)]

    async def _read_body(self, request: Request, item: Parameter) -> Any:
        assert self._decode is not None  # made together with the body
        try:
            body = await read_body(request)
        except BodyTooLargeError as error:
            raise BadRequest(413, error.what) from None
        if not body and not item.required:
            return item.default
        try:
            return self._decode(body)
        except ValueError as error:
            raise BadRequest(_status_of(error), f"{item.name}: {error}") from None


class Reply:
    """Turns what a method returns or raises into an answer."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._statuses = tuple((kind, status) for status, kind in operation.errors.items())
        self._kinds: tuple[type[Exception], ...] = tuple(operation.errors.values())
        self._raw = operation.result is bytes
        plain = operation.result in (None, type(None), ClientResponse)
        self._encode = encoder(object if plain else operation.result)

    async def to(self, method: Method, values: Mapping[str, Any]) -> Response:
        """Call the method and answer; exceptions that the interface does not name go on to the framework."""
        try:
            result = await method(**values)
        except self._kinds as error:
            status = next(status for kind, status in self._statuses if isinstance(error, kind))
            return _error(status, str(error))
        if isinstance(result, Response):
            return result
        if isinstance(result, ClientResponse):
            kept = {"content-type": result.header("content-type") or "application/octet-stream"}
            return Response(result.body, result.status, kept)
        if result is None:
            return _error(404, "there is none") if self._operation.optional else Response(status_code=204)
        media = "application/octet-stream" if self._raw else "application/json"
        return Response(self._encode(result), media_type=media)


def _is_text(item: Parameter) -> bool:
    return item.place is not Place.BODY


def _is_given(request: Request, item: Parameter) -> bool:
    if _texts(request, item):
        return True
    if item.required:
        raise BadRequest(422, f"the {item.place.value} parameter {item.wire!r} is missing")
    return False


def _texts(request: Request, item: Parameter) -> list[str]:
    if item.place is Place.PATH:
        return [request.path_params[item.name]]
    if item.place is Place.HEADER:
        return request.headers.getlist(item.wire)
    return request.query_params.getlist(item.wire)


def _named(item: Parameter, read: Callable[[list[str]], Any]) -> Callable[[list[str]], Any]:
    def named(texts: list[str]) -> Any:
        try:
            return read(texts)
        except ValueError as error:
            raise BadRequest(422, f"the {item.place.value} parameter {item.wire!r}: {error}") from None

    return named


def _status_of(error: ValueError) -> int:
    """400 for what is no JSON, 422 for JSON of another shape, as FastAPI has it."""
    if isinstance(error, msgspec.ValidationError):
        return 422
    details = getattr(error, "errors", None)  # pydantic's
    if details is not None:
        return 400 if any(each["type"] == "json_invalid" for each in details()) else 422
    return 400


def _error(status: int, detail: str) -> Response:
    return Response(msgspec.json.encode({"detail": detail}), status, media_type="application/json")


def _suits_fastapi(operation: Operation) -> bool:
    kinds = [item.type for item in operation.parameters] + [operation.result]
    return not any(mentions_struct(kind) or kind is bytes for kind in kinds)


def _mount_fastapi(add_api_route: Callable[..., None], operation: Operation, method: Method) -> None:
    import fastapi  # the application is one, so it is there

    markers: dict[Place, Callable[[Parameter], Any]] = {
        Place.PATH: lambda item: fastapi.Path(),
        Place.QUERY: lambda item: fastapi.Query(alias=item.wire),
        Place.HEADER: lambda item: fastapi.Header(alias=item.wire),
        Place.BODY: lambda item: fastapi.Body(),
    }
    reply = Reply(operation)

    async def endpoint(**values: Any) -> Response:
        return await reply.to(method, values)

    endpoint.__name__ = operation.name
    endpoint.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # what FastAPI reads
        [
            inspect.Parameter(
                item.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=item.default,
                annotation=Annotated[item.type, markers[item.place](item)],
            )
            for item in operation.parameters
        ]
    )
    nothing = operation.result in (None, type(None), ClientResponse)
    model = None if nothing else operation.result
    status = 204 if operation.result in (None, type(None)) else 200
    add_api_route(
        operation.path,
        endpoint,
        methods=[operation.verb],
        response_model=model,
        status_code=status,
        responses={code: {"description": kind.__name__} for code, kind in operation.errors.items()},
    )
