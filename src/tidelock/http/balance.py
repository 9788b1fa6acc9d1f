"""Choosing an instance, and leaving out the bad ones. No IO, no clock; randomness is an argument.

`Peers` keeps what a caller knows about each instance in step with the list of instances, and offers the
candidates for the next attempt to a picker:

1. not tried yet by this call, before those tried;
2. not ejected; one that has served its time is on probation and gets one call at a time until one succeeds;
3. in a panic (fewer than half are left) those ejected on suspicion are used again, because then the suspicion
   is more likely wrong than the whole service; those whose port refused the connection are not, since nobody
   listens there; they come last of all;
4. those that have the call's hint in their metadata, if any has;
5. if the call has a key, the one that the key belongs to; else those of the own zone, and of them the warm.

Source: Envoy outlier detection (consecutive 5xx, failure percentage, ejection time, panic threshold) with one
difference: a refused connection ejects at once, from 1 s doubling to 30 s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tidelock.config import Settings, key
from tidelock.discovery.instance import Instance
from tidelock.http.narrowing import hinted, is_warm, nearest, owner, subset, warm
from tidelock.http.peer import Draw, Peer
from tidelock.http.pickers import Observer, Picker


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
    failure_percentage_threshold: float = key(
        default=85.0,
        name="failurePercentageThreshold",
        at_least=0.1,
        at_most=100,
        doc="Share of failures within an interval that ejects an instance, in %.",
    )
    failure_percentage_request_volume: int = key(
        default=50,
        name="failurePercentageRequestVolume",
        at_least=1,
        doc="Calls within an interval before that share counts.",
    )
    interval: float = key(default=10.0, at_least=0.001, doc="Seconds over which that share is taken.")
    panic_threshold: float = key(
        default=50.0, name="panicThreshold", at_least=0, at_most=100, doc="Share of usable instances, in %."
    )


class BalanceSettings(Settings):
    """Which instances are preferred; durations are seconds."""

    zone: str = key(default="", doc="The caller's zone; its instances are preferred. Empty: all are alike.")
    slow_start: float = key(
        default=10.0, name="slowStart", at_least=0, doc="Seconds until a new instance gets its full share."
    )
    subset_size: int = key(
        default=0, name="subsetSize", at_least=0, doc="How many instances a caller uses; 0 is all."
    )
    caller_id: str = key(default="", name="callerId", doc="Who is calling; decides which subset.")
    hint: str = key(
        default="", doc="Instances with it in their metadata are preferred, unless X-SC-LB-Hint says another."
    )


class Peers:
    """The peers of one service, kept in step with the source's list of instances."""

    def __init__(
        self,
        settings: EjectionSettings,
        picker: Picker,
        balance: BalanceSettings = BalanceSettings(),  # noqa: B008  frozen
        connect_timeout: float = 1.0,
    ) -> None:
        self._settings = settings
        self._picker = picker
        self._balance = balance
        self._connect_timeout = connect_timeout
        self._observer: Observer | None = picker if isinstance(picker, Observer) else None
        self._warming: set[Peer] = set()
        self._seen: Sequence[Instance] | None = None
        self._by_id: dict[str, Peer] = {}
        self._all: list[Peer] = []
        self._ejected: set[Peer] = set()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._all)

    def update(self, instances: Sequence[Instance], now: float = 0.0) -> None:
        """Take over a list; an instance that keeps id and address keeps what is known about it.

        Args:
            instances: the source's list.
            now: monotonic seconds; one that was not there before begins to warm up.
        """
        if instances is self._seen:
            return
        balance = self._balance
        warms_up = bool(self._all) and balance.slow_start > 0.0  # at the start nobody is warmer than another
        self._seen = instances
        chosen = subset(instances, balance.caller_id, balance.subset_size)
        self._by_id = {instance.instance_id: self._kept(instance, warms_up, now) for instance in chosen}
        self._all = list(self._by_id.values())
        self._ejected.intersection_update(self._all)
        self._warming = {peer for peer in self._all if not is_warm(peer, balance.slow_start, now)}

    def _kept(self, instance: Instance, warms_up: bool, now: float) -> Peer:
        known = self._by_id.get(instance.instance_id)
        if known is None or known.address != (*instance.address, instance.is_secure):
            peer, is_new = Peer(instance, self._connect_timeout), True
        else:
            is_new = instance.service_up_timestamp > known.instance.service_up_timestamp
            peer = known.renewed(instance)
        if is_new and warms_up:
            peer.ramp_from = now
        return peer

    def get(self, instance_id: str) -> Peer | None:
        """Return the peer with this id."""
        return self._by_id.get(instance_id)

    def pick(
        self,
        now: float,
        draw: Draw,
        tried: Sequence[Peer] = (),
        key: str | None = None,
        hint: str | None = None,
    ) -> Peer | None:
        """Return the peer for the next attempt, or None when there is no instance at all.

        Args:
            now: monotonic seconds.
            draw: uniform in [0, 1).
            tried: what this call has used already; comes last.
            key: calls with the same key go to the same instance, as long as that is there.
            hint: instances with it in their metadata are preferred; None takes the settings'.
        """
        candidates: Sequence[Peer] = self._candidates(now) if self._ejected else self._all
        if tried:
            candidates = (
                [peer for peer in candidates if peer not in tried] or self._others(tried) or candidates
            )
        if not candidates:
            return None
        if hint or self._balance.hint:
            candidates = hinted(candidates, hint or self._balance.hint)
        if key is not None:
            return owner(candidates, key)
        if self._balance.zone:
            candidates = nearest(candidates, self._all, self._balance.zone, draw)
        if self._warming:
            candidates = self._warm(candidates, now, draw)
        return self._picker.pick(candidates, draw, now)

    def _warm(self, candidates: Sequence[Peer], now: float, draw: Draw) -> Sequence[Peer]:
        seconds = self._balance.slow_start
        for peer in [each for each in self._warming if is_warm(each, seconds, now)]:
            peer.ramp_from = None
            self._warming.discard(peer)
        return warm(candidates, seconds, now, draw)

    def observed(self, peer: Peer, seconds: float, failed: bool, now: float) -> None:
        """Let a picker that learns know how long an attempt took."""
        if self._observer is not None:
            self._observer.observed(peer, seconds, failed, now)

    def has_other(self, tried: Sequence[Peer]) -> bool:
        """Whether an instance is left that this call has not tried and that is not known to be gone."""
        return bool(self._others(tried))

    def succeeded(self, peer: Peer, now: float) -> None:
        """Note an answer below 500: failures are no longer in a row, a served ejection is forgotten."""
        peer.failures = 0
        peer.window_calls += 1
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
        mostly = self._fails_mostly(peer, now)
        if now < peer.ejected_until:
            return None
        in_a_row = peer.failures >= settings.consecutive_5xx
        if not refused and not peer.ejections and not in_a_row and not mostly:
            return None
        bound = settings.base_ejection_time * 2.0 ** min(peer.ejections, 30)
        seconds = min(settings.max_ejection_time, bound)
        peer.ejections += 1
        peer.failures = peer.window_calls = peer.window_failures = 0
        peer.refused = refused
        peer.ejected_until = now + seconds
        if peer.instance.instance_id in self._by_id:
            self._ejected.add(peer)
        return seconds

    def _fails_mostly(self, peer: Peer, now: float) -> bool:
        """Count a failure in the peer's window; whether too large a share of its calls has failed there.

        The window begins with a failure, so an instance that never fails needs no clock.
        """
        settings = self._settings
        if now >= peer.window_until:
            peer.window_until = now + settings.interval
            peer.window_calls = peer.window_failures = 0
        peer.window_calls += 1
        peer.window_failures += 1
        if peer.window_calls < settings.failure_percentage_request_volume:
            return False
        return 100 * peer.window_failures >= settings.failure_percentage_threshold * peer.window_calls

    def _others(self, tried: Sequence[Peer]) -> list[Peer]:
        return [peer for peer in self._all if peer not in tried and not peer.refused]

    def _candidates(self, now: float) -> list[Peer]:
        everyone = self._all
        ready = [peer for peer in everyone if peer.ready(now)]
        if ready and 100 * len(ready) >= self._settings.panic_threshold * len(everyone):
            return ready
        return [peer for peer in everyone if not peer.refused] or ready or everyone
