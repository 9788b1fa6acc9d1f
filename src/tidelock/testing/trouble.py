"""`chaos(orders, ...)`: a service that is slow, fails, loses answers or refuses connections, from a seed.

    with chaos(orders, latency="lognormal(20ms,0.5)", error=0.1, refuse=["i-2"], seed=1):
        await orders.get(42)

The trouble happens to attempts, between the rules and the bytes, so retries, ejection, breaker and deadline
do what they would do in production. Inside the block an instance's own metadata come first: `chaos.latency`,
`chaos.error`, `chaos.lost`, `chaos.refuse` can be set at run time through the registry. Outside such a block
nobody reads them, so no registry can trouble a service that did not ask for it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import re
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

from tidelock.errors import UsageError
from tidelock.http.around import BlockingExchanger, Exchanger
from tidelock.http.blocking_client import BlockingClient
from tidelock.http.client import Client
from tidelock.http.exchange import Failure, Outgoing, Reason, Response
from tidelock.http.flow import ServiceState
from tidelock.http.services import caller_of
from tidelock.http.wire.idle import Address, Outcome
from tidelock.runtime import Clock, sleeping

PREFIX = "chaos."
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "": 1.0}
NUMBER = re.compile(r"([0-9]*\.?[0-9]+)(us|ms|s|)")
DISTRIBUTION = re.compile(r"([a-z]+)\((.*)\)")

Draw = Callable[[random.Random], float]

DISTRIBUTIONS: Mapping[str, tuple[int, Callable[..., Draw]]] = {
    "constant": (1, lambda seconds: lambda rng: seconds),
    "uniform": (2, lambda low, high: lambda rng: rng.uniform(low, high)),
    "normal": (2, lambda mean, deviation: lambda rng: max(0.0, rng.gauss(mean, deviation))),
    "lognormal": (2, lambda median, sigma: lambda rng: median * rng.lognormvariate(0.0, sigma)),
    "exponential": (1, lambda mean: lambda rng: rng.expovariate(1.0 / mean) if mean else 0.0),
}
"""Name -> how many numbers, and what makes one of these distributions; `lognormal` by median and sigma."""


def distribution(text: str) -> Draw:
    """Return what draws seconds: "20ms", "uniform(1ms,20ms)", "lognormal(20ms,0.5)", see DISTRIBUTIONS.

    Raises:
        UsageError: none of them.
    """
    given = text.replace(" ", "")
    found = DISTRIBUTION.fullmatch(given)
    name, inner = found.groups() if found is not None else ("constant", given)
    numbers = [NUMBER.fullmatch(each) for each in inner.split(",")]
    wanted, make = DISTRIBUTIONS.get(name, (-1, DISTRIBUTIONS["constant"][1]))
    values = [float(each[1]) * UNITS[each[2]] for each in numbers if each is not None]
    if len(values) != wanted or len(numbers) != wanted:
        raise UsageError(
            f"{text!r} is no latency",
            hint='write "20ms", "uniform(1ms,20ms)", "normal(20ms,5ms)", "lognormal(20ms,0.5)" or '
            '"exponential(20ms)"',
        )
    return make(*values)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens to the attempts at one instance.

    Attributes:
        latency: draws the seconds by which each is later; None is none.
        error: share of them, 0 to 1, that are answered 503 and do not reach the instance.
        lost: share of them that are carried out, and whose answer is lost.
        refuse: nobody listens.
    """

    latency: Draw | None = None
    error: float = 0.0
    lost: float = 0.0
    refuse: bool = False

    def with_metadata(self, metadata: Mapping[str, str]) -> Trouble:
        """Return what an instance's metadata make of it.

        Raises:
            UsageError: one of them cannot be read.
        """
        changes: dict[str, Any] = {}
        if f"{PREFIX}latency" in metadata:
            changes["latency"] = distribution(metadata[f"{PREFIX}latency"])
        for name in ("error", "lost"):
            if PREFIX + name in metadata:
                changes[name] = _share(PREFIX + name, metadata[PREFIX + name])
        if f"{PREFIX}refuse" in metadata:
            changes["refuse"] = metadata[f"{PREFIX}refuse"].strip().lower() == "true"
        return dataclasses.replace(self, **changes) if changes else self


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to one attempt: so many seconds of waiting, and then."""

    seconds: float
    refused: bool
    failed: bool
    lost: bool


class Chaos:
    """Trouble for one client, from the beginning of a `with` block to its end; see `chaos`.

    Attributes:
        attempts: how many there were in the block.
        troubled: how many of them were refused, answered 503, or lost their answer.
    """

    def __init__(
        self,
        client: Client | BlockingClient,
        service: ServiceState | None,
        trouble: Trouble,
        refuse: Collection[str],
        seed: int,
    ) -> None:
        self._client: Any = client
        self._service = service
        self._trouble = trouble
        self._refuse = frozenset(refuse)
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        self._inner: Any = None
        self.attempts = 0
        self.troubled = 0

    def __enter__(self) -> Self:
        self._inner = self._client.around
        blocking = isinstance(self._client, BlockingClient)
        self._client.around = self._around_blocking if blocking else self._around
        return self

    def __exit__(self, *_: object) -> None:
        self._client.around = self._inner

    def _around(self, service: ServiceState, exchanger: Exchanger, clock: Clock) -> Exchanger:
        if self._inner is not None:
            exchanger = self._inner(service, exchanger, clock)
        if self._service not in (None, service):
            return exchanger
        return _Troubled(self, service, exchanger, clock)

    def _around_blocking(
        self, service: ServiceState, exchanger: BlockingExchanger, clock: Clock
    ) -> BlockingExchanger:
        if self._inner is not None:
            exchanger = self._inner(service, exchanger, clock)
        if self._service not in (None, service):
            return exchanger
        return _BlockingTroubled(self, service, exchanger, clock)

    def fate(self, service: ServiceState, address: Address) -> Fate:
        """Draw what happens to an attempt; always as many draws, so that one rule does not shift another."""
        peer = next((each for each in service.peers if each.address == address), None)
        trouble, named = self._trouble, False
        if peer is not None:
            trouble = trouble.with_metadata(peer.instance.metadata)
            named = peer.instance.instance_id in self._refuse
        with self._lock:
            error, lost = self._rng.random(), self._rng.random()
            seconds = 0.0 if trouble.latency is None else trouble.latency(self._rng)
            fate = Fate(seconds, named or trouble.refuse, error < trouble.error, lost < trouble.lost)
            self.attempts += 1
            self.troubled += fate.refused or fate.failed or fate.lost
        return fate


def chaos(
    target: object,
    *,
    latency: str | None = None,
    error: float = 0.0,
    lost: float = 0.0,
    refuse: Collection[str] = (),
    seed: int = 0,
) -> Chaos:
    """Return a context manager: inside its block a service is in trouble.

    Args:
        target: what `connect` or `connect_blocking` returned, for one service; a client, for all it calls.
        latency: by how much attempts are later; see `distribution`.
        error: share of attempts, 0 to 1, answered 503 without reaching the service.
        lost: share of attempts that the service carries out, and whose answer is lost.
        refuse: ids of instances where nobody listens.
        seed: decides who is hit. The same calls in the same order are hit the same way.

    Raises:
        UsageError: a latency or share that cannot be read.
    """
    draw = None if latency is None else distribution(latency)
    trouble = Trouble(draw, _share("error", error), _share("lost", lost))
    if isinstance(target, Client | BlockingClient):
        return Chaos(target, None, trouble, refuse, seed)
    caller = caller_of(target)
    return Chaos(caller.client, caller.service, trouble, refuse, seed)


def _share(name: str, given: float | str) -> float:
    try:
        share = float(given)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise UsageError(f"{name}={given!r} is no share", hint="give a number from 0 to 1")
    return share


def _before(fate: Fate, at: float) -> Outcome | None:
    """What an attempt ends with before anything is sent."""
    if fate.refused:
        return Failure(Reason.REFUSED, "chaos: connection refused", False, at)
    if fate.failed:
        headers = [(b"content-type", b"application/json")]
        return Response(503, headers, b'{"detail":"chaos"}', at)
    return None


def _after(fate: Fate, outcome: Outcome) -> Outcome:
    """What becomes of an answer."""
    if not fate.lost or not isinstance(outcome, Response):
        return outcome
    if outcome.stream is not None:
        outcome.stream.close()
    return Failure(Reason.BROKEN, "chaos: the answer was lost", True, outcome.at)


def _late(at: float) -> Failure:
    return Failure(Reason.TIMEOUT, "chaos: no answer before the deadline", True, at)


class _Troubled:
    """See Exchanger."""

    def __init__(self, chaos: Chaos, service: ServiceState, inner: Exchanger, clock: Clock) -> None:
        self._chaos, self._service, self._inner, self._clock = chaos, service, inner, clock

    async def exchange(
        self, address: Address, request: Outgoing, deadline: float, now: float, connect_timeout: float
    ) -> Outcome:
        """See Exchanger."""
        fate = self._chaos.fate(self._service, address)
        if fate.seconds and not fate.refused:
            await asyncio.sleep(max(min(fate.seconds, deadline - now), 0.0))
            if now + fate.seconds >= deadline:
                return _late(self._clock.monotonic())
            now = self._clock.monotonic()
        outcome = _before(fate, now)
        if outcome is not None:
            return outcome
        return _after(fate, await self._inner.exchange(address, request, deadline, now, connect_timeout))


class _BlockingTroubled:
    """See BlockingExchanger."""

    def __init__(self, chaos: Chaos, service: ServiceState, inner: BlockingExchanger, clock: Clock) -> None:
        self._chaos, self._service, self._inner, self._clock = chaos, service, inner, clock

    def exchange(
        self, address: Address, request: Outgoing, deadline: float, connect_timeout: float
    ) -> Outcome:
        """See Exchanger."""
        fate = self._chaos.fate(self._service, address)
        now = self._clock.monotonic()
        if fate.seconds and not fate.refused:
            sleeping(self._clock)(max(min(fate.seconds, deadline - now), 0.0))
            if now + fate.seconds >= deadline:
                return _late(self._clock.monotonic())
        outcome = _before(fate, self._clock.monotonic())
        if outcome is not None:
            return outcome
        return _after(fate, self._inner.exchange(address, request, deadline, connect_timeout))
