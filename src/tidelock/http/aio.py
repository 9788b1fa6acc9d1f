"""The asyncio driver of `flow`: carries out what the generator asks for, and tells what happened.

Nothing is decided here. A call emits one `Called`; ejections and breakers also go to the log, since they mean
that something else is broken.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from tidelock import observe
from tidelock.http.breaker import State
from tidelock.http.errors import CallError
from tidelock.http.exchange import Response
from tidelock.http.flow import BreakerChanged, Call, Called, Ejected, Send, ServiceState
from tidelock.http.wire.head import encode
from tidelock.http.wire.pool import Pools

log = logging.getLogger(__name__)


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
            _announce(service.happened.pop(0))


def _announce(event: Ejected | BreakerChanged) -> None:
    if isinstance(event, Ejected):
        host, port = event.instance.address
        log.warning(
            "%s at %s:%d gets no calls for %g s: %s", event.service, host, port, event.seconds, event.reason
        )
    else:
        level = logging.INFO if event.state is State.CLOSED else logging.WARNING
        log.log(level, "the breaker of %s on %s is %s", event.method, event.service, event.state.value)
    observe.emit(event)
