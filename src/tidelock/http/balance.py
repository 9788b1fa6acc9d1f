"""Choosing an instance, and leaving out the bad ones. No IO, no clock; randomness is an argument.

`Peer` is what a caller knows about one instance: calls in flight, failures in a row, until when it is
ejected. `Peers` keeps them in step with the list of instances and offers the candidates for the next
attempt:

1. not tried yet by this call, before those tried;
2. not ejected; one that has served its time is on probation and gets one call at a time until one succeeds;
3. in a panic (fewer than half are left) those ejected on suspicion are used again, because then the suspicion
   is more likely wrong than the whole service; those whose port refused the connection are not, since nobody
   listens there; they come last of all.

Source: Envoy outlier detection (consecutive 5xx, ejection time, panic threshold) with one difference: a
refused connection ejects at once, from 1 s doubling to 30 s. Mitzenmacher, "The power of two choices".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from tidelock.config import Settings, key
from tidelock.discovery.instance import Instance

Draw = Callable[[], float]
"""Uniform in [0, 1)."""


class EjectionSettings(Settings):
    """When an instance gets no calls for a while; Envoy's names in the spelling of our other keys."""

    consecutive_5xx: int = key(
        default=5, name="consecutive5xx", at_least=1, doc="Failures in a row that eject an instance."
    )
    base_ejection_time: float = key(
        default=1.0, name="baseEjectionTime", at_least=0.001, doc="Seconds of the first ejection; doubles."
    )
    max_ejection_time: float = key(
        default=30.0, name="maxEjectionTime", at_least=0.001, doc="Seconds of the longest ejection."
    )
    panic_threshold: float = key(
        default=50.0, name="panicThreshold", at_least=0, at_most=100, doc="Share of usable instances, in %."
    )


CONTEXT_PATH = "context-path"
"""Metadata key: the path under which the instance serves everything, as in `http://host/base`."""


class Peer:
    """One instance as seen by one caller; changed only by `Peers` and, for `in_flight`, by the flow."""

    __slots__ = (
        "address",
        "authority",
        "ejected_until",
        "ejections",
        "failures",
        "in_flight",
        "instance",
        "prefix",
        "refused",
    )

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        host, port = instance.address
        self.address = (host, port, instance.is_secure)
        self.authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.prefix = instance.metadata.get(CONTEXT_PATH, "")
        self.in_flight = 0
        self.failures = 0
        self.ejections = 0
        self.ejected_until = 0.0
        self.refused = False

    def ready(self, now: float) -> bool:
        """Whether it may get a call: not ejected, and on probation only when it has none."""
        return not self.ejections or (now >= self.ejected_until and not self.in_flight)

    def renewed(self, instance: Instance) -> Peer:
        """Take over newer data; an instance that changed after it was ejected may prove itself at once."""
        if self.ejections and instance.last_dirty_timestamp != self.instance.last_dirty_timestamp:
            self.ejected_until = 0.0
        self.instance = instance
        self.prefix = instance.metadata.get(CONTEXT_PATH, "")
        return self


class Picker(Protocol):
    """A rule that chooses among candidates."""

    def pick(self, candidates: Sequence[Peer], draw: Draw) -> Peer:
        """Return one of the candidates; there is at least one."""


class LeastInFlight:
    """Power of two choices: of two drawn at random, the one with fewer calls in flight."""

    def pick(self, candidates: Sequence[Peer], draw: Draw) -> Peer:
        """See Picker."""
        count = len(candidates)
        if count == 1:
            return candidates[0]
        number = int(draw() * count * (count - 1))
        first, second = divmod(number, count - 1)
        one = candidates[first]
        other = candidates[second if second < first else second + 1]
        return other if other.in_flight < one.in_flight else one


class RoundRobin:
    """Each in turn, beginning at a random one, so that many callers do not start at the same."""

    def __init__(self) -> None:
        self._next = -1

    def pick(self, candidates: Sequence[Peer], draw: Draw) -> Peer:
        """See Picker."""
        self._next = int(draw() * len(candidates)) if self._next < 0 else self._next + 1
        return candidates[self._next % len(candidates)]


class Random:
    """Any."""

    def pick(self, candidates: Sequence[Peer], draw: Draw) -> Peer:
        """See Picker."""
        return candidates[int(draw() * len(candidates))]


PICKERS: dict[str, Callable[[], Picker]] = {
    "least-in-flight": LeastInFlight,
    "round-robin": RoundRobin,
    "random": Random,
}


class Peers:
    """The peers of one service, kept in step with the source's list of instances."""

    def __init__(self, settings: EjectionSettings, picker: Picker) -> None:
        self._settings = settings
        self._picker = picker
        self._seen: Sequence[Instance] | None = None
        self._by_id: dict[str, Peer] = {}
        self._all: list[Peer] = []
        self._ejected: set[Peer] = set()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._all)

    def update(self, instances: Sequence[Instance]) -> None:
        """Take over a list; an instance that keeps id and address keeps what is known about it."""
        if instances is self._seen:
            return
        self._seen = instances
        self._by_id = {instance.instance_id: self._kept(instance) for instance in instances}
        self._all = list(self._by_id.values())
        self._ejected.intersection_update(self._all)

    def _kept(self, instance: Instance) -> Peer:
        known = self._by_id.get(instance.instance_id)
        if known is None or known.address != (*instance.address, instance.is_secure):
            return Peer(instance)
        return known.renewed(instance)

    def get(self, instance_id: str) -> Peer | None:
        """Return the peer with this id."""
        return self._by_id.get(instance_id)

    def pick(self, now: float, draw: Draw, tried: Sequence[Peer] = ()) -> Peer | None:
        """Return the peer for the next attempt, or None when there is no instance at all.

        Args:
            now: monotonic seconds.
            draw: uniform in [0, 1).
            tried: what this call has used already; comes last.
        """
        candidates = self._candidates(now) if self._ejected else self._all
        if tried:
            candidates = (
                [peer for peer in candidates if peer not in tried] or self._others(tried) or candidates
            )
        return self._picker.pick(candidates, draw) if candidates else None

    def has_other(self, tried: Sequence[Peer]) -> bool:
        """Whether an instance is left that this call has not tried and that is not known to be gone."""
        return bool(self._others(tried))

    def succeeded(self, peer: Peer, now: float) -> None:
        """Note an answer below 500: failures are no longer in a row, a served ejection is forgotten."""
        peer.failures = 0
        if peer.ejections and now >= peer.ejected_until:
            peer.ejections = 0
            peer.refused = False
            self._ejected.discard(peer)

    def failed(self, peer: Peer, refused: bool, now: float) -> float | None:
        """Note an attempt without an answer, or a 5xx.

        Args:
            peer: whose.
            refused: nobody listens there.
            now: monotonic seconds.

        Returns:
            For how many seconds it is ejected by this, or None.
        """
        settings = self._settings
        peer.failures += 1
        if now < peer.ejected_until:
            return None
        if not refused and not peer.ejections and peer.failures < settings.consecutive_5xx:
            return None
        bound = settings.base_ejection_time * 2.0 ** min(peer.ejections, 30)
        seconds = min(settings.max_ejection_time, bound)
        peer.ejections += 1
        peer.failures = 0
        peer.refused = refused
        peer.ejected_until = now + seconds
        if peer.instance.instance_id in self._by_id:
            self._ejected.add(peer)
        return seconds

    def _others(self, tried: Sequence[Peer]) -> list[Peer]:
        return [peer for peer in self._all if peer not in tried and not peer.refused]

    def _candidates(self, now: float) -> list[Peer]:
        everyone = self._all
        ready = [peer for peer in everyone if peer.ready(now)]
        if ready and 100 * len(ready) >= self._settings.panic_threshold * len(everyone):
            return ready
        return [peer for peer in everyone if not peer.refused] or ready or everyone
