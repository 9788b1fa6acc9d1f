"""The asyncio driver of `flow`: carries out what the generator asks for, and tells what happened.

Nothing is decided here; `blocking` is its twin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tidelock.http.around import Exchanger
from tidelock.http.errors import CallError
from tidelock.http.exchange import Response
from tidelock.http.flow import Call, Finished, Race, Send
from tidelock.http.racing import Racers
from tidelock.http.report import Report
from tidelock.http.wire.head import outgoing


async def drive(flow: Call, report: Report, pools: Exchanger, now: Callable[[], float]) -> Response:
    """Run one logical call to its end; cancelling it ends the connection it uses.

    Raises:
        CallError: see `flow.call`.
    """
    race: Racers | None = None
    try:
        effect = next(flow)
        while True:
            if isinstance(effect, Send):
                report.asked(effect)
                peer, request, at = effect.peer, effect.request, effect.sent_at
                data = outgoing(request, peer.prefix, peer.authority, effect.deadline - at, effect.attempt)
                address, limit = peer.address, peer.connect_timeout
                outcome = await pools.exchange(address, data, effect.deadline, at, limit)
                report.ended(effect, outcome)
                effect = flow.send(outcome)
            elif isinstance(effect, Race):
                report.asked(effect)
                race = race or Racers(pools)
                ended = await race.run(effect, now)
                if isinstance(ended, Finished):
                    report.ended(ended.send, ended.outcome)
                effect = flow.send(ended)
            else:
                await asyncio.sleep(effect.seconds)
                effect = flow.send(now())
    except StopIteration as done:
        return report.answered(done.value)
    except CallError as error:
        report.failed = error.code
        raise
    finally:
        if race is not None:
            race.close()
        flow.close()
        report.tell(now())
