"""A small service for the tests of calls, a process of its own: `python -m tests.integration.http_service`.

It prints its port, serves until it is killed, and shows in its answers what it saw. Arguments: a port (0 for
a free one), and the URL of a registry if it shall register itself.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from dataclasses import dataclass

import msgspec
from starlette.applications import Starlette

from tidelock import http, web
from tidelock.http.middleware import DeadlineMiddleware
from tidelock.http.serve import mount
from tidelock.runtime import bind_loopback


class Order(msgspec.Struct):
    """What the service keeps."""

    id: int
    customer: str


@dataclass
class Seen:
    """What the service has seen so far."""

    placed: int
    cancelled: int
    port: int


class OutOfStock(Exception):
    """409."""


@http.api("order-service", path="/orders", errors={409: OutOfStock})
class Orders:
    """The interface; the only thing that caller and service share."""

    @http.get("/{id}")
    async def get(self, id: int) -> Order | None:
        """Return an order; 404 above 1000."""
        raise NotImplementedError

    @http.get("/{id}/port")
    async def where(self, id: int) -> int:
        """Return the port that answers."""
        raise NotImplementedError

    @http.get("/{id}/home", affinity="id")
    async def home(self, id: int) -> int:
        """Return the port that answers: the same for the same id."""
        raise NotImplementedError

    @http.post()
    async def place(self, order: Order) -> Order:
        """Place an order; customer "nobody" is out of stock."""
        raise NotImplementedError

    @http.get("/seen")
    async def seen(self) -> Seen:
        """Return what was seen."""
        raise NotImplementedError

    @http.get("/sleep")
    async def sleep(self, seconds: float) -> str:
        """Take a while."""
        raise NotImplementedError

    @http.get("/status")
    async def status(self, code: int) -> http.Response:
        """Answer with a status."""
        raise NotImplementedError


class OrdersHere(Orders):
    """The implementation."""

    def __init__(self, port: int) -> None:
        self._seen = Seen(0, 0, port)

    async def get(self, id: int) -> Order | None:
        """See Orders."""
        return Order(id, "ann") if id <= 1000 else None

    async def where(self, id: int) -> int:
        """See Orders."""
        return self._seen.port

    async def home(self, id: int) -> int:
        """See Orders."""
        return self._seen.port

    async def place(self, order: Order) -> Order:
        """See Orders."""
        if order.customer == "nobody":
            raise OutOfStock(f"no order {order.id}")
        self._seen.placed += 1
        return order

    async def seen(self) -> Seen:
        """See Orders."""
        return self._seen

    async def sleep(self, seconds: float) -> str:
        """See Orders."""
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self._seen.cancelled += 1
            raise
        return "slept"

    async def status(self, code: int) -> http.Response:
        """See Orders."""
        return http.Response(code, [], b"as asked")


def main() -> None:
    """Serve on a free port, or the one given."""
    import uvicorn

    sock: socket.socket = bind_loopback(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    port = sock.getsockname()[1]
    app = Starlette()
    mount(app, OrdersHere(port))
    print(port, flush=True)  # noqa: T201  this is how the parent learns the port
    served: web.AsgiApp = DeadlineMiddleware(app)
    if len(sys.argv) > 2:
        served = http.register(app, "order-service", port=port, registry=sys.argv[2])
    config = uvicorn.Config(
        served, log_level="warning", access_log=False, lifespan="on" if len(sys.argv) > 2 else "off"
    )
    uvicorn.Server(config).run(sockets=[sock])


if __name__ == "__main__":
    main()
