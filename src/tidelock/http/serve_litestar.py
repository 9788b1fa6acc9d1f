"""Mounts a method on Litestar; imported only when the application is one.

The annotations of `answer` are read by Litestar when it registers the handler, so they are real here.
"""

from typing import Any

from litestar import Litestar, Request, Response
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from tidelock.http.answering import SERVING, Answer, Endpoint
from tidelock.http.declarative import HOLE
from tidelock.web import BODY_LIMIT


class LitestarAsked:
    """See answering.Asked."""

    def __init__(self, request: Request[Any, Any, Any]) -> None:
        self._request = request

    def path(self, name: str) -> list[str]:
        """See Asked."""
        return [str(self._request.path_params[name])]

    def query(self, name: str) -> list[str]:
        """See Asked."""
        return list(self._request.query_params.getall(name, []))

    def query_names(self) -> list[str]:
        """See Asked."""
        return list(dict.fromkeys(self._request.query_params))

    def header(self, name: str) -> list[str]:
        """See Asked."""
        return list(self._request.headers.getall(name, []))


def add(app: Litestar, endpoint: Endpoint, method: Any) -> None:
    """Add the route of one method."""
    operation = endpoint.operation

    async def answer(request: Request[Any, Any, Any]) -> Response[Any]:
        body = await request.body() if endpoint.body is not None else b""
        asked = LitestarAsked(request)
        with SERVING.begin(operation, asked.header) as served:
            made = await endpoint.serve(method, asked, body)
            served.status = made.status if isinstance(made, Answer) else made.status_code or 200
        if not isinstance(made, Answer):
            return made  # type: ignore[no-any-return]  # Litestar's own, made by the method
        if made.stream is not None:
            return Stream(made.stream, media_type=made.media)
        return Response(made.body, status_code=made.status, media_type=made.media or "text/plain")

    answer.__name__ = operation.name
    handler = HTTPRouteHandler(
        HOLE.sub(r"{\1:str}", operation.path),
        http_method=[operation.verb],  # type: ignore[list-item]  # one of the six that Litestar knows
        include_in_schema=False,
        request_max_body_size=BODY_LIMIT,
        status_code=200,
    )
    app.register(handler(answer))
