"""Hooks: functions that see every call of a client before it goes out and after its answer is here.

A hook before a call may change the request (`with_headers`: a token, a tenant), one after it the answer; what
they raise ends the call. They run once per logical call, not per attempt, in the order given; the asyncio
client also awaits coroutine functions. No IO here.

Source: OpenFeign `RequestInterceptor`, `ResponseInterceptor`.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from tidelock.errors import UsageError
from tidelock.http.exchange import Request, Response
from tidelock.http.wire.head import header_lines

Before = Callable[[Request], Request | Awaitable[Request]]
After = Callable[[Request, Response], Response | Awaitable[Response]]


class Hooks(msgspec.Struct, frozen=True):
    """The hooks of one client.

    Attributes:
        before: take the request, return the one to send.
        after: take request and answer, whatever its status, and return the answer to use.
    """

    before: tuple[Before, ...] = ()
    after: tuple[After, ...] = ()

    def outgoing(self, request: Request) -> Request:
        """Run the hooks before a call, for blocking code.

        Raises:
            UsageError: one of them is a coroutine function.
        """
        for hook in self.before:
            request = _plain(hook(request), hook)
        return request

    def incoming(self, request: Request, response: Response) -> Response:
        """Run the hooks after a call, for blocking code.

        Raises:
            UsageError: one of them is a coroutine function.
        """
        for hook in self.after:
            response = _plain(hook(request, response), hook)
        return response

    async def outgoing_async(self, request: Request) -> Request:
        """Run the hooks before a call."""
        for hook in self.before:
            request = await _awaited(hook(request))
        return request

    async def incoming_async(self, request: Request, response: Response) -> Response:
        """Run the hooks after a call."""
        for hook in self.after:
            response = await _awaited(hook(request, response))
        return response


NO_HOOKS = Hooks()


def with_headers(request: Request, headers: Mapping[str, str]) -> Request:
    """Return a request with these headers set; they replace those of the same name.

    Raises:
        LocalProtocolError: a header that would break out of its line.
    """
    names = tuple(f"{name.lower()}:".encode() for name in headers)
    kept = [line for line in request.head.splitlines(keepends=True) if not line.lower().startswith(names)]
    head = b"".join(kept) + header_lines((name.lower(), value) for name, value in headers.items())
    return msgspec.structs.replace(request, head=head)


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _plain(value: Any, hook: object) -> Any:
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        name = getattr(hook, "__qualname__", hook)
        raise UsageError(f"the hook {name} is asynchronous, the client blocks", hint="write it as `def`")
    return value
