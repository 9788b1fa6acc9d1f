"""One instance's lease: since when, renewed when, over when. No IO, no clock.

A lease lasts exactly the duration that its instance asked for, counted from the last heartbeat on the
monotonic clock; the timestamps that travel come from the wall clock. Netflix lets a lease live twice as
long after the first heartbeat (it sets the last renewal into the future); we do not, see
docs/compat/eureka.md. May import only `instance`. Invariant: `lapses_at` never lies further ahead of the
last heartbeat than the instance's duration.

Source: Netflix `com.netflix.eureka.lease.Lease`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from tidelock.discovery.instance import Instance, Status

LeaseKey = tuple[str, str]
"""Application name in upper case, instance id."""


class Moment(NamedTuple):
    """One reading of both clocks, in seconds."""

    monotonic: float
    wall: float

    @property
    def ms(self) -> int:
        """Milliseconds since the Unix epoch, as they travel."""
        return int(self.wall * 1000)


@dataclass(slots=True)
class Lease:
    """An instance and its time in the registry.

    Args:
        instance: as registered; its own timestamps of the lease are not used, `shown()` fills them.
        renewed: monotonic seconds of the last heartbeat.
        registered_ms: when this registration came.
        renewed_ms: when the last heartbeat came.
        up_since_ms: when it was first UP; survives re-registration; 0 = never.
        override: the status an operator set, or None.
        override_dirty: the version (`last_dirty_timestamp`) at which that was set or removed; 0 = never.
        is_restored: it comes from before a restart, and nothing has been heard of it since.
    """

    instance: Instance
    renewed: float
    registered_ms: int
    renewed_ms: int
    up_since_ms: int = 0
    override: Status | None = None
    override_dirty: int = 0
    is_restored: bool = False

    @classmethod
    def granted(cls, instance: Instance, now: Moment) -> Lease:
        """Return a fresh lease that starts now."""
        return cls(instance, renewed=now.monotonic, registered_ms=now.ms, renewed_ms=now.ms)

    @property
    def key(self) -> LeaseKey:
        """What identifies it in the registry."""
        return self.instance.app, self.instance.instance_id

    @property
    def dirty(self) -> int:
        """The version of the instance: when it last changed."""
        return self.instance.last_dirty_timestamp

    @property
    def lapses_at(self) -> float:
        """Monotonic second at which it is over unless renewed."""
        return self.renewed + self.instance.duration

    def is_expired(self, now: Moment) -> bool:
        """Whether no heartbeat came for the lease's duration."""
        return now.monotonic > self.lapses_at

    def renew(self, now: Moment) -> None:
        """A heartbeat came."""
        self.is_restored = False
        self.renewed = now.monotonic
        self.renewed_ms = now.ms

    def extend(self, seconds: float, now: Moment) -> None:
        """Give back time in which no heartbeat could arrive; never beyond a heartbeat that came now."""
        self.renewed = min(now.monotonic, self.renewed + seconds)

    def mark_up(self, now: Moment) -> None:
        """Remember the first time it was UP."""
        self.up_since_ms = self.up_since_ms or now.ms

    def shown(self, *, evicted_ms: int = 0) -> Instance:
        """Return the instance as others see it: with the lease's timestamps and the override."""
        return msgspec.structs.replace(
            self.instance,
            overridden=self.override or Status.UNKNOWN,
            registration_timestamp=self.registered_ms,
            last_renewal_timestamp=self.renewed_ms,
            service_up_timestamp=self.up_since_ms,
            eviction_timestamp=evicted_ms,
        )


def dated(instance: Instance, now: Moment) -> Instance:
    """Return the instance with a version: one that says none has changed now, as in Java."""
    if instance.last_dirty_timestamp:
        return instance
    return msgspec.structs.replace(instance, last_dirty_timestamp=now.ms)


def lifted(instance: Instance, existing: Lease | None, cancelled: int) -> Instance:
    """Return the instance with a version above all that peers or operators made of it before it spoke."""
    floor = cancelled + 1
    if existing and instance.last_dirty_timestamp < existing.dirty:
        floor = max(floor, existing.dirty + 1)
    if instance.last_dirty_timestamp >= floor:
        return instance
    return msgspec.structs.replace(instance, last_dirty_timestamp=floor)
