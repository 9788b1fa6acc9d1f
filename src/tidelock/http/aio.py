"""The asyncio driver of `flow`: carries out what the generator asks for, and tells what happened.

Nothing is decided here; `blocking` is its twin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tidelock.http.errors import CallError
from tidelock.http.exchange import Response
from tidelock.http.flow import Call, Send
from tidelock.http.report import Report
from tidelock.http.wire.head import encode
from tidelock.http.wire.pool import Pools


async def drive(flow: Call, report: Report, pools: Pools, now: Callable[[], float]) -> Response:
    """Run one logical call to its end; cancelling it ends the connection it uses.

    Raises:
        CallError: see `flow.call`.
    """
    try:
        effect = next(flow)
        while True:
            if isinstance(effect, Send):
                report.last = effect
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
        report.status = response.status
        return response
    except CallError as error:
        report.failed = error.code
        raise
    finally:
        flow.close()
        report.tell(now())
