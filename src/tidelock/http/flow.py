"""One logical call as a generator: pick, check, send, record, answer or try the next. No IO, no clock.

The generator yields what it wants done, `Send` or `Sleep`, and receives how it ended, `Response`, `Failure`
or (after a sleep) the monotonic time. A driver of a few lines does the bytes, for asyncio or for blocking
code; a test plays the driver with a list. The generator returns the Response, whatever its status, or
raises a CallError; a driver that gives up closes it, which releases the instance and the breaker's permit.

Order of the checks: breaker (once per logical call), then per attempt an instance and the deadline; after a
failed attempt: may it be repeated, are attempts left, is there budget, does the pause fit before the
deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import NoReturn

import msgspec

from tidelock.discovery.instance import Instance
from tidelock.http.balance import Peers
from tidelock.http.breaker import CircuitBreaker
from tidelock.http.errors import (
    BadAnswer,
    BulkheadFull,
    CallError,
    CallTimeout,
    CircuitOpen,
    ConnectFailed,
    ConnectionBroken,
    InDoubt,
    NoInstance,
)
from tidelock.http.events import BreakerChanged, Ejected
from tidelock.http.exchange import Failure, Reason, Request, Response
from tidelock.http.hedging import Latencies
from tidelock.http.peer import Draw, Peer
from tidelock.http.pickers import PICKERS
from tidelock.http.policy import Policy
from tidelock.http.retry import RETRY_STATUSES, Budget, backoff, retry_after


class Send(msgspec.Struct, gc=False):
    """Effect: send the request to this peer and report the Response or Failure.

    Attributes:
        request: what to send.
        peer: to whom.
        deadline: monotonic seconds; no later than this a Failure is due.
        sent_at: monotonic seconds now; the remaining time goes into a header.
        attempt: 1 for the first.
    """

    request: Request
    peer: Peer
    deadline: float
    sent_at: float
    attempt: int


class Sleep(msgspec.Struct, gc=False):
    """Effect: wait so many seconds, then report the monotonic time."""

    seconds: float


class Race(msgspec.Struct, gc=False):
    """Effect: send one more request beside those under way, and report the first that ends.

    Report `Finished`, or the monotonic time when `until` has passed without one. What is still under way when
    the generator ends is given up.

    Attributes:
        starting: what to send; None only waits.
        until: monotonic seconds.
    """

    starting: Send | None
    until: float


class Finished(msgspec.Struct, gc=False):
    """Report: of the attempts of a race this one has ended."""

    send: Send
    outcome: Response | Failure


Effect = Send | Sleep | Race
Report = Response | Failure | Finished | float
Call = Generator[Effect, Report, Response]


class ServiceState:
    """What one caller knows about one service: its peers, breakers, retry budget; and what just happened.

    Args:
        name: as callers say it.
        instances: the current list; called before every attempt, must not block.
        policy: the settings.
    """

    def __init__(self, name: str, instances: Callable[[], Sequence[Instance]], policy: Policy) -> None:
        self.name = name
        self.instances = instances
        self.policy = policy
        self.peers = Peers(
            policy.ejection,
            PICKERS[policy.call.load_balancer](),
            policy.balance,
            policy.call.connect_timeout,
        )
        self.in_flight = 0
        self.budget = Budget(policy.retry.budget_ratio, policy.retry.budget_floor)
        self.breakers: dict[str, CircuitBreaker] = {}
        self.latencies: dict[str, Latencies] = {}
        self.happened: list[Ejected | BreakerChanged] = []
        self.hedges = policy.hedge.enabled

    def limited(self, calls: Call, label: str) -> Call:
        """Carry a call out if not too many are under way (Resilience4j `Bulkhead`, without a queue).

        Raises:
            BulkheadFull: too many are.
        """
        limit = self.policy.bulkhead.max_concurrent_calls
        if self.in_flight >= limit:
            calls.close()
            raise BulkheadFull(limit, service=self.name, method=label)
        self.in_flight += 1
        try:
            return (yield from calls)
        finally:
            self.in_flight -= 1

    def breaker(self, group: str) -> CircuitBreaker:
        """Return the breaker of a group of calls, made on first use."""
        found = self.breakers.get(group)
        if found is None:
            found = self.breakers[group] = CircuitBreaker(self.policy.breaker)
        return found

    def latency(self, group: str) -> Latencies:
        """Return how long the calls of a group take, noted from its first use on."""
        found = self.latencies.get(group)
        if found is None:
            found = self.latencies[group] = Latencies()
        return found


class Start(msgspec.Struct, frozen=True, gc=False):
    """How a logical call begins.

    Attributes:
        now: monotonic seconds.
        deadline: monotonic seconds.
        draw: uniform in [0, 1).
        pinned: only this instance id will do; None lets the balancer choose.
    """

    now: float
    deadline: float
    draw: Draw
    pinned: str | None = None


def call(request: Request, service: ServiceState, start: Start) -> Call:
    """Carry out one logical call.

    Args:
        request: what to send.
        service: whom to ask, with all that is known about it.
        start: when, and until when.

    Raises:
        CallError: no answer; which kind says whether the call may be repeated.
    """
    calls = _unlimited(request, service, start)
    return service.limited(calls, request.label) if service.policy.bulkhead.max_concurrent_calls else calls


def _unlimited(request: Request, service: ServiceState, start: Start) -> Call:
    started = start.now
    if start.pinned is not None:
        # The caller insists on one instance, perhaps on one that is down just now and is asked until it is
        # back. That says nothing about the service, so the breaker neither refuses nor learns.
        service.budget.deposit()
        return (yield from Attempts(request, service, start).run())
    breaker = service.breaker(request.group)
    before = breaker.state
    if not breaker.acquire(started):
        remaining = breaker.until - started
        raise CircuitOpen(breaker.until, service=service.name, method=request.label, remaining=remaining)
    if breaker.state is not before:
        service.happened.append(BreakerChanged(service.name, request.group, breaker.state))
    service.budget.deposit()
    attempts = Attempts(request, service, start)
    try:
        outcome = yield from attempts.run()
    except GeneratorExit:
        breaker.release()
        raise
    except CallError:
        if attempts.made:
            _recorded(service, request, breaker, True, started, attempts.now)
        else:
            breaker.release()  # nobody was asked, so there is nothing to learn about the service
        raise
    _recorded(service, request, breaker, outcome.status >= 500, started, outcome.at)
    return outcome


def _recorded(
    service: ServiceState, request: Request, breaker: CircuitBreaker, failed: bool, started: float, now: float
) -> None:
    changed = breaker.record(failed, now - started, now)
    if changed is not None:
        service.happened.append(BreakerChanged(service.name, request.group, changed))


class Attempts:
    """The attempts of one logical call.

    Attributes:
        now: monotonic seconds of the last thing that happened.
        made: attempts begun.
    """

    __slots__ = ("_deadline", "_draw", "_pinned", "_request", "_rounds", "_service", "_tried", "made", "now")

    def __init__(self, request: Request, service: ServiceState, start: Start) -> None:
        self._request = request
        self._service = service
        self._deadline = start.deadline
        self._draw = start.draw
        self._pinned = start.pinned
        self._tried: tuple[Peer, ...] = ()
        self._rounds = 0
        self.made = 0
        self.now = start.now

    def run(self) -> Call:
        """Attempt until there is an answer to keep, or no reason to go on."""
        while True:
            peer = self._pick()
            if self.now >= self._deadline:
                raise self._error(CallTimeout, "the deadline had passed before anything was sent", None)
            began = self.now
            hedge_after = self._hedge_after()
            if hedge_after is None:
                outcome = yield from self._one(peer)
            else:
                finished = yield from self._two(peer, began + hedge_after)
                peer, outcome, began = finished.send.peer, finished.outcome, finished.send.sent_at
            self.now = outcome.at
            failed = not isinstance(outcome, Response) or outcome.status >= 500
            self._service.peers.observed(peer, outcome.at - began, failed, outcome.at)
            if isinstance(outcome, Response):
                outcome.instance = peer.instance
                if outcome.status < 500:
                    self._service.peers.succeeded(peer, outcome.at)
                    if self._service.hedges:
                        self._service.latency(self._request.group).add(outcome.at - began)
                    return outcome
            self._note(peer, outcome)
            pause = self._pause(peer, outcome)
            if pause is None:
                if isinstance(outcome, Response):
                    return outcome
                self._raise(peer.instance, outcome)
            if pause > 0.0:
                slept = yield Sleep(pause)
                assert isinstance(slept, float)  # the driver's contract: a Sleep brings the time
                self.now = slept

    def _one(self, peer: Peer) -> Generator[Effect, Report, Response | Failure]:
        self.made += 1
        peer.in_flight += 1
        try:
            outcome = yield Send(self._request, peer, self._deadline, self.now, self.made)
        finally:
            peer.in_flight -= 1
        assert isinstance(outcome, (Response, Failure))  # the driver's contract: what a Send brings
        return outcome

    def _two(self, first: Peer, patience: float) -> Generator[Effect, Report, Finished]:
        """Ask one instance, and a second one when the first has not answered at `patience`."""
        racing: list[Peer] = []
        try:
            finished = yield self._entry(first, patience, racing)
            if isinstance(finished, float):
                self.now = finished
                second = self._second(first)
                entry = Race(None, self._deadline)
                if second is not None:
                    entry = self._entry(second, self._deadline, racing)
                finished = yield entry
            assert isinstance(finished, Finished)  # every Send ends at its deadline
            peer = finished.send.peer
            racing.remove(peer)
            peer.in_flight -= 1
            if racing and not _is_good(finished.outcome):
                self.now = finished.outcome.at
                self._note(peer, finished.outcome)
                self._tried = (*self._tried, peer)
                finished = yield Race(None, self._deadline)
                assert isinstance(finished, Finished)  # as above
            return finished
        finally:
            for each in racing:
                each.in_flight -= 1

    def _entry(self, peer: Peer, until: float, racing: list[Peer]) -> Race:
        self.made += 1
        peer.in_flight += 1
        racing.append(peer)
        return Race(
            Send(self._request, peer, self._deadline, self.now, self.made), min(until, self._deadline)
        )

    def _hedge_after(self) -> float | None:
        if not self._service.hedges or self.made or self._pinned is not None:
            return None
        settings, request = self._service.policy.hedge, self._request
        if request.streams or request.method not in ("GET", "HEAD"):
            return None  # a write that loses the race may land after the caller's next one
        return self._service.latency(self._request.group).delay(settings)

    def _second(self, first: Peer) -> Peer | None:
        peers = self._service.peers
        if self.now >= self._deadline or not peers.has_other((first,)):
            return None
        if not self._service.budget.withdraw(self.now):
            return None
        request = self._request
        return peers.pick(self.now, self._draw, (first,), request.affinity, request.hint)

    def _pick(self) -> Peer:
        service = self._service
        service.peers.update(service.instances(), self.now)
        if self._pinned is not None:
            peer = service.peers.get(self._pinned)
        else:
            request = self._request
            peer = service.peers.pick(self.now, self._draw, self._tried, request.affinity, request.hint)
        if peer is None:
            raise NoInstance(
                service.name,
                method=self._request.label,
                instance_id=self._pinned,
                hint="start one, or look at the registry's page: who is up, and why",
            )
        return peer

    def _note(self, peer: Peer, outcome: Response | Failure) -> None:
        failure = outcome if isinstance(outcome, Failure) else None
        refused = failure is not None and failure.reason is Reason.REFUSED
        seconds = self._service.peers.failed(peer, refused, outcome.at)
        if seconds is not None:
            why = failure.reason.value if failure is not None else "5xx answers"
            self._service.happened.append(Ejected(self._service.name, peer.instance, why, seconds))

    def _pause(self, peer: Peer, outcome: Response | Failure) -> float | None:
        """Seconds before the next attempt; None ends the call with this outcome."""
        self._tried = (*self._tried, peer)
        if not self._repeatable(outcome):
            return None
        unsent = isinstance(outcome, Failure) and not outcome.sent
        elsewhere = self._pinned is None and self._service.peers.has_other(self._tried)
        if unsent and elsewhere:
            return 0.0  # looking for someone who listens; loads nobody, ends with the list of instances
        settings = self._service.policy.retry
        self._rounds += 1
        if self._rounds >= settings.max_attempts:
            return None
        pause = backoff(settings, self._rounds, self._draw)
        if not elsewhere and isinstance(outcome, Response):
            pause = max(pause, retry_after(outcome) or 0.0)
        if self.now + pause >= self._deadline:
            return None
        if not unsent and not self._service.budget.withdraw(self.now):
            return None
        return pause

    def _repeatable(self, outcome: Response | Failure) -> bool:
        if isinstance(outcome, Failure):
            if outcome.reason is Reason.TIMEOUT:
                return False  # the deadline is the whole call's
            return not outcome.sent or (self._request.idempotent and outcome.reason is not Reason.GARBAGE)
        return self._request.idempotent and outcome.status in RETRY_STATUSES

    def _raise(self, instance: Instance, failure: Failure) -> NoReturn:
        if failure.sent and not self._request.idempotent:
            doubt = InDoubt(
                f"sent, but no answer came ({failure.detail}): it may or may not have been carried out",
                service=self._service.name,
                method=self._request.label,
                instance=instance,
                hint="ask the same instance, or make the method idempotent",
            )
            raise doubt from self._error(_ERRORS[failure.reason], failure.detail, instance)
        raise self._error(_ERRORS[failure.reason], failure.detail, instance)

    def _error(self, kind: type[CallError], what: str, instance: Instance | None) -> CallError:
        hint = None
        if self.made > 1:
            hint = f"{self.made} attempts were made; look at the service's log"
        return kind(
            what, service=self._service.name, method=self._request.label, instance=instance, hint=hint
        )


def _is_good(outcome: Response | Failure) -> bool:
    return isinstance(outcome, Response) and outcome.status < 500


_ERRORS: dict[Reason, type[CallError]] = {
    Reason.REFUSED: ConnectFailed,
    Reason.UNREACHABLE: ConnectFailed,
    Reason.BROKEN: ConnectionBroken,
    Reason.TIMEOUT: CallTimeout,
    Reason.GARBAGE: BadAnswer,
}
