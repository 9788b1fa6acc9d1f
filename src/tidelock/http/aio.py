"""The asyncio driver of `flow`: carries out what the generator asks for. Nothing is decided here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from tidelock import observe
from tidelock.discovery.instance import Instance
from tidelock.http.errors import CallError
from tidelock.http.exchange import Response
from tidelock.http.flow import Call, Send, ServiceState
from tidelock.http.wire.head import encode
from tidelock.http.wire.pool import Pools


class Called(msgspec.Struct, frozen=True, gc=False):
    """Event: a logical call is over.

    Attributes:
        service: as the caller says it.
        method: as "GET /orders/{id}".
        instance: of the last attempt; None when none was made.
        attempts: how many were made.
        status: of the answer; None when there was none.
        error: the code of the error, as "TID-403"; None when there was an answer.
        seconds: from the call to its end.
    """

    service: str
    method: str
    instance: Instance | None
    attempts: int
    status: int | None
    error: str | None
    seconds: float


async def drive(
    flow: Call, service: ServiceState, label: str, pools: Pools, now: Callable[[], float]
) -> Response:
    """Run one logical call to its end; cancelling it ends the connection it uses.

    Raises:
        CallError: see `flow.call`.
    """
    started = now()
    last: Send | None = None
    status: int | None = None
    failed: str | None = None
    try:
        effect = next(flow)
        while True:
            if isinstance(effect, Send):
                last = effect
                peer, request, at = effect.peer, effect.request, effect.sent_at
                data = encode(request, peer.prefix, peer.authority, effect.deadline - at, effect.attempt)
                effect = flow.send(
                    await pools.exchange(peer.address, data, request.method == "HEAD", effect.deadline, at)
                )
            else:
                await asyncio.sleep(effect.seconds)
                effect = flow.send(now())
    except StopIteration as done:
        response: Response = done.value
        status = response.status
        return response
    except CallError as error:
        failed = error.code
        raise
    finally:
        flow.close()
        peer_of = last.peer.instance if last is not None else None
        attempts = last.attempt if last is not None else 0
        observe.emit(Called(service.name, label, peer_of, attempts, status, failed, now() - started))
        while service.happened:
            observe.emit(service.happened.pop(0))
