"""The blocking driver of `flow`: carries out what the generator asks for, and tells what happened.

Nothing is decided here; `aio` is its twin. Threads share what is known about a service, so the generator runs
under a lock; it does no IO, and the lock is never held while a thread waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tidelock.http.blocking_racing import BlockingRacers
from tidelock.http.errors import CallError
from tidelock.http.exchange import Response
from tidelock.http.flow import Call, Race, Send
from tidelock.http.report import Report
from tidelock.http.wire.blocking import BlockingPools
from tidelock.http.wire.head import outgoing


def drive(
    flow: Call, report: Report, pools: BlockingPools, now: Callable[[], float], lock: threading.Lock
) -> Response:
    """Run one logical call to its end.

    Raises:
        CallError: see `flow.call`.
    """
    race: BlockingRacers | None = None
    try:
        with lock:
            effect = next(flow)
        while True:
            if isinstance(effect, Send):
                report.asked(effect)
                peer, request, left = effect.peer, effect.request, effect.deadline - effect.sent_at
                data = outgoing(request, peer.prefix, peer.authority, left, effect.attempt)
                outcome = pools.exchange(peer.address, data, effect.deadline, peer.connect_timeout)
                with lock:
                    effect = flow.send(outcome)
            elif isinstance(effect, Race):
                report.asked(effect)
                race = race or BlockingRacers(pools)
                ended = race.run(effect, now)
                with lock:
                    effect = flow.send(ended)
            else:
                time.sleep(effect.seconds)
                with lock:
                    effect = flow.send(now())
    except StopIteration as done:
        return report.answered(done.value)
    except CallError as error:
        report.failed = error.code
        raise
    finally:
        if race is not None:
            race.close()
        with lock:
            flow.close()
        report.tell(now())
