"""Rules that choose one of several instances. No IO, no clock; randomness and time are arguments.

A picker sees the candidates that `balance` left: not ejected, not tried yet, near enough, warm enough.

Source: Mitzenmacher, "The power of two choices"; Finagle `PeakEwma`; Spring Cloud LoadBalancer
`WeightedServiceInstanceListSupplier` (its metadata key).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from tidelock.http.peer import Draw, Peer


class Picker(Protocol):
    """A rule that chooses among candidates."""

    def pick(self, candidates: Sequence[Peer], draw: Draw, now: float) -> Peer:
        """Return one of the candidates; there is at least one."""


@runtime_checkable
class Observer(Protocol):
    """A picker that learns from what became of attempts."""

    def observed(self, peer: Peer, seconds: float, failed: bool, now: float) -> None:
        """Note an attempt: how long it took, and whether it brought no answer or a 5xx."""


def two_of(candidates: Sequence[Peer], draw: Draw) -> tuple[Peer, Peer]:
    """Draw two different ones of at least two; every pair is equally likely."""
    count = len(candidates)
    first, second = divmod(int(draw() * count * (count - 1)), count - 1)
    return candidates[first], candidates[second if second < first else second + 1]


class LeastInFlight:
    """Power of two choices: of two drawn at random, the one with fewer calls in flight."""

    def pick(self, candidates: Sequence[Peer], draw: Draw, now: float) -> Peer:
        """See Picker."""
        if len(candidates) == 1:
            return candidates[0]
        one, other = two_of(candidates, draw)
        return other if other.in_flight < one.in_flight else one


class PeakEwma:
    """Power of two choices by expected waiting: moving average of the latency, times the calls in flight.

    A slower answer counts at once, a faster one over `DECAY`; what was learned long ago fades, so that one
    that was slow is tried again. A failure never makes an instance look faster.
    """

    DECAY = 10.0
    """Seconds after which what was learned weighs a third (Finagle's default)."""

    def pick(self, candidates: Sequence[Peer], draw: Draw, now: float) -> Peer:
        """See Picker."""
        if len(candidates) == 1:
            return candidates[0]
        one, other = two_of(candidates, draw)
        return other if self._cost(other, now) < self._cost(one, now) else one

    def observed(self, peer: Peer, seconds: float, failed: bool, now: float) -> None:
        """See Observer."""
        known = self._faded(peer, now)
        if seconds > known:
            peer.latency, peer.measured_at = seconds, now
        elif not failed:
            kept = math.exp(-max(now - peer.measured_at, 0.0) / self.DECAY)
            peer.latency, peer.measured_at = peer.latency * kept + seconds * (1.0 - kept), now

    def _cost(self, peer: Peer, now: float) -> float:
        return self._faded(peer, now) * (peer.in_flight + 1) + peer.in_flight * 1e-9

    def _faded(self, peer: Peer, now: float) -> float:
        return peer.latency * math.exp(-max(now - peer.measured_at, 0.0) / self.DECAY)


class Weighted:
    """At random, in proportion to the weight in the metadata; 0 only when all others are 0 too."""

    def pick(self, candidates: Sequence[Peer], draw: Draw, now: float) -> Peer:
        """See Picker."""
        weights = [peer.weight for peer in candidates]
        point = draw() * sum(weights)
        for peer, weight in zip(candidates, weights, strict=True):
            point -= weight
            if point < 0.0:
                return peer
        return candidates[int(draw() * len(candidates))]


class RoundRobin:
    """Each in turn, beginning at a random one, so that many callers do not start at the same."""

    def __init__(self) -> None:
        self._next = -1

    def pick(self, candidates: Sequence[Peer], draw: Draw, now: float) -> Peer:
        """See Picker."""
        self._next = int(draw() * len(candidates)) if self._next < 0 else self._next + 1
        return candidates[self._next % len(candidates)]


class Random:
    """Any."""

    def pick(self, candidates: Sequence[Peer], draw: Draw, now: float) -> Peer:
        """See Picker."""
        return candidates[int(draw() * len(candidates))]


PICKERS: dict[str, Callable[[], Picker]] = {
    "least-in-flight": LeastInFlight,
    "peak-ewma": PeakEwma,
    "weighted": Weighted,
    "round-robin": RoundRobin,
    "random": Random,
}
