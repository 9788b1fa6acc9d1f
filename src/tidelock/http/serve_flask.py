"""Mounts a method on Flask; imported only when the application is one.

Flask serves each request in a thread. A plain function is called there. A coroutine function runs in an event
loop that is kept for the thread and ends with it, so that what it keeps per loop (connections of a Client)
serves the next request too. The caller's deadline and trace hold for the calls made meanwhile, as the ASGI
middleware has it elsewhere; a thread cannot be cancelled, so work whose deadline passes goes on to its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import flask

from tidelock.http.answering import SERVING, Answer, BadRequest, Endpoint
from tidelock.http.deadlines import deadline, remaining_from
from tidelock.http.declarative import HOLE
from tidelock.http.tracing import trace, trace_from
from tidelock.web import BODY_LIMIT

_here = threading.local()


class FlaskAsked:
    """See answering.Asked."""

    def __init__(self, request: flask.Request, path: dict[str, str]) -> None:
        self._request = request
        self._path = path

    def path(self, name: str) -> list[str]:
        """See Asked."""
        return [self._path[name]]

    def query(self, name: str) -> list[str]:
        """See Asked."""
        return self._request.args.getlist(name)

    def query_names(self) -> list[str]:
        """See Asked."""
        return list(self._request.args)

    def header(self, name: str) -> list[str]:
        """See Asked."""
        return self._request.headers.getlist(name)


def add(app: flask.Flask, endpoint: Endpoint, method: Any) -> None:
    """Add the route of one method."""
    operation = endpoint.operation

    def view(**path: str) -> Any:
        asked = FlaskAsked(flask.request, path)
        with SERVING.begin(operation, asked.header) as served:
            response = _written(answered(asked))
            served.status = response.status_code
            return response

    def answered(asked: FlaskAsked) -> Any:
        request = flask.request
        length = request.content_length
        if length is not None and length > BODY_LIMIT:
            return Answer.error(413, f"the request body is larger than {BODY_LIMIT} bytes")
        headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
        seconds = remaining_from(headers)
        if seconds is not None and seconds <= 0.0:
            return Answer.error(504, "the caller's deadline has passed")
        try:
            values = endpoint.values(asked, request.get_data())
        except BadRequest as error:
            return Answer.error(error.status, str(error))
        with contextlib.ExitStack() as around:
            around.enter_context(trace(trace_from(headers)))
            if seconds is not None:
                around.enter_context(deadline(seconds))
            if endpoint.operation.shape == "stream":
                return _runner().run(endpoint.serve(method, asked, request.get_data()))
            return _called(endpoint, method, values)

    app.add_url_rule(
        HOLE.sub(r"<\1>", operation.path),
        f"{operation.verb} {operation.path}",
        view,
        methods=[operation.verb],
        provide_automatic_options=False,
    )


def _called(endpoint: Endpoint, method: Any, values: dict[str, Any]) -> Any:
    if endpoint.operation.shape != "value" or inspect.iscoroutinefunction(method):
        return _runner().run(endpoint.call(method, values))
    try:
        result = method(**values)
    except endpoint.kinds as error:
        return endpoint.refusal(error)
    return result if isinstance(result, flask.Response) else endpoint.answer(result)


def _runner() -> asyncio.Runner:
    found: _Runner | None = getattr(_here, "runner", None)
    if found is None:
        found = _here.runner = _Runner()
    return found.runner


class _Runner:
    """A thread's event loop; closed when the thread ends and its locals go.

    When the process ends while the thread is still at work, the loop runs, and goes as it is.
    """

    def __init__(self) -> None:
        self.runner = asyncio.Runner()

    def __del__(self) -> None:
        if not self.runner.get_loop().is_running():
            self.runner.close()


def _written(answer: Any) -> Any:
    if not isinstance(answer, Answer):
        return answer
    if answer.stream is not None:
        return flask.Response(_pieces(answer.stream), answer.status, content_type=answer.media)
    return flask.Response(answer.body, answer.status, content_type=answer.media)


def _pieces(stream: AsyncIterator[bytes]) -> Iterator[bytes]:
    """Give a stream to Flask piece by piece; the server iterates in the thread that made it."""

    async def following() -> bytes | None:
        return await anext(stream, None)

    while (piece := _runner().run(following())) is not None:
        yield piece
