"""Sends a request to the worker that may answer it: changes to the leader, a task's restart to its owner.

An ASGI application around the others. A request is passed on as it came, with `forward=true`; a worker that
is not the right one either passes it on once more, with `forward=false`; then it is a 409. Also the paths
that only workers use, signed: the task sets that they submit, and the fencing that their tasks wait for.

Source: Kafka `runtime.rest.HerderRequestHandler`, `rest.resources.InternalConnectResource`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from tidelock.connect.distributed.group_protocol import TaskId
from tidelock.connect.distributed.herder import RebalancePending
from tidelock.connect.distributed.peers import ask
from tidelock.connect.distributed.requests import DistributedHerder
from tidelock.connect.rest.app import routes
from tidelock.connect.rest.connectors import text_values
from tidelock.connect.rest.routing import (
    JSON,
    Doorkeeper,
    Reply,
    Request,
    Route,
    Router,
    error_reply,
    match,
    path_of,
    status_of,
)
from tidelock.connect.runtime.errors import InvalidConfig
from tidelock.errors import TidelockError
from tidelock.web import Receive, Scope, Send, decode_json, read_body, send_reply

ONE = ("connectors", "*")
LEADERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("POST", ("connectors",)),
    ("DELETE", ONE),
    ("PUT", (*ONE, "config")),
    ("PATCH", (*ONE, "config")),
    ("PUT", (*ONE, "stop")),
    ("POST", (*ONE, "restart")),
    ("PATCH", (*ONE, "offsets")),
    ("DELETE", (*ONE, "offsets")),
    ("POST", (*ONE, "tasks")),
    ("PUT", (*ONE, "fence")),
)
OWNERS = ("POST", (*ONE, "tasks", "*", "restart"))
PASSED_ON = ("authorization", "x-connect-authorization", "x-connect-request-signature-algorithm")


def internal_routes(herder: DistributedHerder) -> list[Route]:
    """Return the routes that only workers use."""

    async def put_tasks(request: Request) -> Reply:
        """204 when the task set is written."""
        body = await request.body()
        given = decode_json(body)
        if not isinstance(given, list):
            raise InvalidConfig("the body is a JSON array of task configurations")
        configs = [
            {key: value for key, value in text_values(one).items() if value is not None} for one in given
        ]
        await herder.put_tasks(request.segments[0], configs, body, request.headers)
        return Reply(204)

    async def fence(request: Request) -> Reply:
        """204 when the tasks of former task sets are shut out."""
        await herder.fence(request.segments[0], await request.body(), request.headers)
        return Reply(204)

    return [Route("POST", "/connectors/*/tasks", put_tasks), Route("PUT", "/connectors/*/fence", fence)]


def distributed_app(herder: DistributedHerder, doorkeeper: Doorkeeper) -> Forwarding:
    """Return the application of one of several workers."""
    router = Router([*internal_routes(herder), *routes(herder)], doorkeeper)
    return Forwarding(router, herder, doorkeeper)


class Forwarding:
    """The application.

    Args:
        inner: answers what is this worker's to answer.
        herder: knows who leads and who owns what.
        doorkeeper: sees requests before they are passed on.
    """

    def __init__(self, inner: Router, herder: DistributedHerder, doorkeeper: Doorkeeper) -> None:
        self._inner = inner
        self._herder = herder
        self._doorkeeper = doorkeeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, here or elsewhere."""
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        if self._doorkeeper.refusal(headers) is not None:
            await self._inner(scope, receive, send)  # says why
            return
        try:
            url = await self._where(scope)
            if url is None:
                await self._inner(scope, receive, send)
                return
            await self._pass_on(url, scope, receive, send)
        except TidelockError as error:
            reply = error_reply(status_of(error), error.what)
            await send_reply(send, reply.status, msgspec.json.encode(reply.body), [JSON])

    async def _where(self, scope: Scope) -> str | None:
        """Return the worker that has to answer; None for this one."""
        path, method = path_of(scope), scope["method"]
        if method == OWNERS[0] and (found := match(OWNERS[1], path)) is not None and found[1].isdigit():
            await self._herder.settled()
            return self._herder.owner(TaskId(found[0], int(found[1])))
        if any(method == verb and match(parts, path) is not None for verb, parts in LEADERS):
            await self._herder.settled()
            return self._herder.leader()
        return None

    async def _pass_on(self, url: str, scope: Scope, receive: Receive, send: Send) -> None:
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        hop = query.get("forward")
        if hop == "false":
            raise RebalancePending(
                "Cannot complete request because of a conflicting operation (e.g. worker rebalance)"
            )
        query["forward"] = "true" if hop is None else "false"
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        path = f"{raw.decode('latin-1').split('?')[0]}?{urlencode(query)}"
        given: Mapping[bytes, bytes] = dict(scope["headers"])
        headers = {
            name: given[name.encode()].decode("latin-1") for name in PASSED_ON if name.encode() in given
        }
        answer = await ask(scope["method"], url, path, await read_body(receive), headers)
        out: list[tuple[bytes, Any]] = [JSON] if answer.body else []
        if answer.location is not None:
            out.append((b"location", answer.location.encode("latin-1")))
        await send_reply(send, answer.status, answer.body, out)
