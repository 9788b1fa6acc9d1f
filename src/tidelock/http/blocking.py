"""The blocking driver of `flow`: carries out what the generator asks for, and tells what happened.

Nothing is decided here; `aio` is its twin. Threads share what is known about a service, so the generator runs
under a lock; it does no IO, and the lock is never held while a thread waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from tidelock.http.around import BlockingExchanger
from tidelock.http.blocking_racing import BlockingRacers, OneByOne
from tidelock.http.errors import CallError
from tidelock.http.exchange import Response
from tidelock.http.flow import Call, Finished, Race, Send
from tidelock.http.report import Report
from tidelock.http.wire.blocking import BlockingPools
from tidelock.http.wire.head import outgoing


@dataclass(frozen=True, slots=True)
class Waiting:
    """How the threads of one client wait: for each other, and for time to pass."""

    lock: threading.Lock
    sleep: Callable[[float], None]


def drive(
    flow: Call, report: Report, pools: BlockingExchanger, now: Callable[[], float], waiting: Waiting
) -> Response:
    """Run one logical call to its end.

    Raises:
        CallError: see `flow.call`.
    """
    race: BlockingRacers | OneByOne | None = None
    lock = waiting.lock
    try:
        with lock:
            effect = next(flow)
        while True:
            if isinstance(effect, Send):
                report.asked(effect)
                peer, request, left = effect.peer, effect.request, effect.deadline - effect.sent_at
                data = outgoing(request, peer.prefix, peer.authority, left, effect.attempt)
                outcome = pools.exchange(peer.address, data, effect.deadline, peer.connect_timeout)
                report.ended(effect, outcome)
                with lock:
                    effect = flow.send(outcome)
            elif isinstance(effect, Race):
                report.asked(effect)
                if race is None:
                    race = BlockingRacers(pools) if isinstance(pools, BlockingPools) else OneByOne(pools)
                ended = race.run(effect, now)
                if isinstance(ended, Finished):
                    report.ended(ended.send, ended.outcome)
                with lock:
                    effect = flow.send(ended)
            else:
                waiting.sleep(effect.seconds)
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
