"""user-service: what users talk to; it finds the instances of order-service in the registry and calls them.

    PORT=8000 python user_service.py

A call that was never sent goes to the other instance by itself. A POST that was sent and not answered,
because the instance died, is *in doubt*: the order may be stored there. Posting it elsewhere could store it
twice, so the very same instance is asked again when it is back; it stores none of its own orders twice.
"""

import asyncio
import os
from collections import Counter

import msgspec
import uvicorn
from orders_api import Order, Orders, Stored
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tidelock.http import (
    Called,
    CallError,
    CallSettings,
    ConnectFailed,
    InDoubt,
    NoInstance,
    Policy,
    at,
    connect,
    register,
)
from tidelock.observe import subscribe

SETTLE_SECONDS = 60.0
ASK_AGAIN_SECONDS = 0.1

orders = connect(Orders, policy=Policy(call=CallSettings(load_balancer="round-robin")))
figures: Counter[str] = Counter(retried=0, in_doubt=0, settled=0)


def count_retries(event: Called) -> None:
    """Count the calls that a second instance answered."""
    figures["retried"] += event.attempts > 1


async def settle(order: Order, doubt: InDoubt) -> Stored:
    """Ask the instance that left a POST unanswered again, until it is back and answers."""
    assert doubt.instance is not None
    figures["in_doubt"] += 1
    same_instance = at(orders, doubt.instance)
    async with asyncio.timeout(SETTLE_SECONDS):
        while True:
            try:
                stored = await same_instance.place(order)
            except (ConnectFailed, NoInstance, InDoubt):
                await asyncio.sleep(ASK_AGAIN_SECONDS)
            else:
                figures["settled"] += 1
                return stored


async def place(request: Request) -> Response:
    """Answer POST /orders."""
    try:
        order = msgspec.json.decode(await request.body(), type=Order)
    except msgspec.DecodeError as error:
        return json_response({"error": str(error)}, 400)
    try:
        stored = await orders.place(order)
    except InDoubt as doubt:
        stored = await settle(order, doubt)
    except CallError as error:
        return json_response({"error": str(error)}, 503)
    return json_response(stored, 201)


async def count(request: Request) -> Response:
    """Answer GET /users/{customer}/orders and GET /orders/count."""
    try:
        return json_response(await orders.count(request.path_params.get("customer")))
    except CallError as error:
        return json_response({"error": str(error)}, 503)


async def show_figures(_: Request) -> Response:
    """Answer GET /figures."""
    return json_response(figures)


def json_response(content: object, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


app = Starlette(
    routes=[
        Route("/orders", place, methods=["POST"]),
        Route("/orders/count", count),
        Route("/users/{customer:int}/orders", count),
        Route("/figures", show_figures),
    ]
)
subscribe(Called, count_retries)

if __name__ == "__main__":
    port = int(os.environ["PORT"])
    uvicorn.run(register(app, "user-service", port=port), port=port, log_level="warning", access_log=False)
