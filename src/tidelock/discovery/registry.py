"""The lease table: register, renew, cancel, status, metadata, eviction, delta. No IO, no clock.

Every operation takes `now` and returns what happened; the shell (`server`) answers, logs and persists. A
change that others can see raises `version`, so documents are encoded once per change. May import `instance`,
`lease`, `status` and `preservation`. Invariants: an application exists only while it has a lease; the delta
holds at most one entry per instance, the latest; an override never outlives its lease.

Source: Netflix `com.netflix.eureka.registry.AbstractInstanceRegistry`.
"""

from __future__ import annotations

import enum
import itertools
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from tidelock.discovery.instance import Action, Instance, Status, hashcode
from tidelock.discovery.lease import Lease, LeaseKey, Moment, dated, lifted
from tidelock.discovery.preservation import WINDOW, Preservation
from tidelock.discovery.status import Question, decide

HISTORY = 1000
"""Changes remembered for the pages, as in Netflix's server."""


class Renewal(enum.Enum):
    """What became of a heartbeat."""

    RENEWED = "renewed"
    UNKNOWN = "unknown lease"
    STALE_HERE = "the instance has changed since it registered"
    STALE_THERE = "the peer's copy is older than ours"


@dataclass(frozen=True, slots=True)
class Policy:
    """What an operator can choose about leases.

    Args:
        eviction_interval: seconds between two runs of `evict`.
        delta_retention: seconds that a change stays in the delta.
        minimum: self-preservation needs at least so many expired leases.
        share: self-preservation needs at least this part of all leases, 0..1.
        preserve: whether self-preservation exists at all.
        replicates: whether there are peers: versions (`last_dirty_timestamp`) then order what they tell.
    """

    eviction_interval: float = 1.0
    delta_retention: float = 180.0
    minimum: int = 3
    share: float = 0.15
    preserve: bool = True
    replicates: bool = False


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of history."""

    at: float
    what: str
    instance: Instance


@dataclass(frozen=True, slots=True)
class Eviction:
    """What one run of `evict` did: who had to go, who was kept although expired, and why."""

    evicted: tuple[Instance, ...]
    held: tuple[Instance, ...]
    preservation: Preservation


@dataclass(slots=True)
class _Change:
    at: float
    version: int
    instance: Instance


@dataclass(frozen=True, slots=True)
class _Cancel:
    at: float
    version: int


@dataclass(slots=True)
class Registry:
    """All leases of one registry.

    Names of applications are compared without case, instance ids with case.
    """

    policy: Policy = field(default_factory=Policy)
    version: int = 0
    history: deque[Happening] = field(default_factory=lambda: deque(maxlen=HISTORY))
    _apps: dict[str, dict[str, Lease]] = field(default_factory=dict)
    _changes: dict[LeaseKey, _Change] = field(default_factory=dict)
    _forgotten: int = 0
    _cancelled: dict[LeaseKey, _Cancel] = field(default_factory=dict)
    _evictions: deque[float] = field(default_factory=deque)
    _last_run: float | None = None
    _held: frozenset[LeaseKey] = frozenset()

    # what instances and operators do

    def register(self, instance: Instance, now: Moment, *, is_replica: bool = False) -> Instance:
        """Grant a lease, or renew and replace an existing one; returns the instance as it is listed.

        If the registry knows a younger version of the instance (by `last_dirty_timestamp`), that one is kept;
        where versions order what peers tell, an instance's own word gets a new one instead. An override and
        the time since when it is up survive.
        """
        instance = dated(instance, now)
        key = (instance.app, instance.instance_id)
        existing = self._lease(*key)
        cancelled = self.cancelled(key)
        if is_replica and instance.last_dirty_timestamp <= cancelled:
            return instance
        if self.policy.replicates and not is_replica:
            instance = lifted(instance, existing, cancelled)
        self._cancelled.pop(key, None)
        if existing and existing.dirty > instance.last_dirty_timestamp:
            instance = existing.instance
        lease = Lease.granted(instance, now)
        if existing:
            lease.up_since_ms = existing.up_since_ms
            lease.override, lease.override_dirty = existing.override, existing.override_dirty
            if is_replica and self.policy.replicates and existing.dirty < instance.last_dirty_timestamp:
                lease.override = None  # a younger version brings its own
        is_theirs = is_replica and self.policy.replicates
        if instance.overridden is not Status.UNKNOWN and (lease.override is None or is_theirs):
            lease.override = instance.overridden
        known = existing.instance.status if existing else None
        status = decide(Question(instance.status, lease.override, known, is_replica))
        self._apps.setdefault(instance.app, {})[instance.instance_id] = lease
        self._set_status(lease, status, now, Action.ADDED)
        if existing is None or known is not status:
            self._remember(now, f"registered as {status.value}", lease.instance)
        return lease.shown()

    def renew(
        self, app: str, instance_id: str, now: Moment, *, dirty: int | None = None, is_replica: bool = False
    ) -> Renewal:
        """Take a heartbeat.

        Args:
            app: in any case.
            instance_id: exact.
            now: both clocks.
            dirty: the sender's `lastDirtyTimestamp`; newer than ours means that we hold old data.
            is_replica: the heartbeat comes from a peer.
        """
        lease = self._lease(app, instance_id)
        if lease is None:
            return Renewal.UNKNOWN
        held = lease.instance
        status = held.status  # what all rules come to without an override
        if lease.override is not None:
            status = decide(Question(held.status, lease.override, held.status, is_replica))
        if status is Status.UNKNOWN:  # an override was removed: only the instance knows its state
            return Renewal.UNKNOWN
        lease.renew(now)
        if status is not held.status:
            self._set_status(lease, status, now, Action.MODIFIED)
        if dirty is None or dirty == held.last_dirty_timestamp:
            return Renewal.RENEWED
        if dirty > held.last_dirty_timestamp:
            return Renewal.STALE_HERE
        return Renewal.STALE_THERE if is_replica else Renewal.RENEWED

    def cancel(self, app: str, instance_id: str, now: Moment, *, dirty: int | None = None) -> Instance | None:
        """End a lease; returns the instance, or None when there was no such lease.

        Where there are peers, its `last_dirty_timestamp` says which versions are cancelled.

        Args:
            app: in any case.
            instance_id: exact.
            now: both clocks.
            dirty: up to which version a peer cancelled; a younger one stays.
        """
        lease = self._lease(app, instance_id)
        if lease is not None and dirty is not None and lease.dirty > dirty:
            return None
        version = self._note_cancel((app.upper(), instance_id), lease, dirty, now)
        if lease is None:
            return None
        return msgspec.structs.replace(self._remove(lease, now, "left"), last_dirty_timestamp=version)

    def override(
        self,
        app: str,
        instance_id: str,
        status: Status,
        now: Moment,
        *,
        dirty: int | None = None,
        is_replica: bool = False,
    ) -> Instance | None:
        """Set the status from outside; it beats what the instance says until removed or the lease ends.

        Counts as a heartbeat. Returns the instance, or None when there is no such lease.
        """
        lease = self._lease(app, instance_id)
        if lease is None:
            return None
        lease.renew(now)
        is_other = lease.instance.status is not status
        is_other = is_other or (self.policy.replicates and lease.override is not status)
        if is_other and self._is_younger(lease, dirty, is_replica):
            lease.override = status
            self._touch_dirty(lease, dirty, is_replica)
            self._set_status(lease, status, now, Action.MODIFIED)
            self._remember(now, f"was set to {status.value}", lease.instance)
        return lease.shown()

    def remove_override(
        self,
        app: str,
        instance_id: str,
        status: Status,
        now: Moment,
        *,
        dirty: int | None = None,
        is_replica: bool = False,
    ) -> Instance | None:
        """Drop the override and set `status`; UNKNOWN makes the instance register again at its heartbeat.

        Counts as a heartbeat. Returns the instance, or None when there is no such lease.
        """
        lease = self._lease(app, instance_id)
        if lease is None:
            return None
        lease.renew(now)
        has_one = lease.override is not None or (is_replica and self.policy.replicates)
        if has_one and self._is_younger(lease, dirty, is_replica):
            lease.override = None
            self._touch_dirty(lease, dirty, is_replica)
            lease.instance = msgspec.structs.replace(lease.instance, overridden=Status.UNKNOWN)
            self._set_status(lease, status, now, Action.MODIFIED)
            self._remember(now, "lost its override", lease.instance)
        return lease.shown()

    def update_metadata(
        self, app: str, instance_id: str, changes: Mapping[str, str], now: Moment
    ) -> Instance | None:
        """Add or replace metadata entries; renews the lease. None when there is no such lease."""
        lease = self._lease(app, instance_id)
        if lease is None:
            return None
        merged = {**lease.instance.metadata, **changes}
        return self.register(msgspec.structs.replace(lease.instance, metadata=merged), now)

    # what time does

    def evict(self, now: Moment, refused: Collection[LeaseKey] = ()) -> Eviction:
        """Remove expired leases, unless self-preservation holds them.

        A run that comes late (the process was stopped or overloaded) first gives all leases the time back in
        which their heartbeats could not be taken.

        Args:
            now: both clocks.
            refused: leases whose host refused a connection since they expired.
        """
        self._give_back_lost_time(now)
        self._forget(now)
        expired = [lease for lease in self.leases() if lease.is_expired(now)]
        gone = [lease for lease in expired if lease.key in refused]
        rest = [lease for lease in expired if lease.key not in refused]
        evicted = [self._remove(lease, now, "was evicted: its host refuses connections") for lease in gone]
        verdict = self._judge(len(rest), now)
        if verdict.is_active:
            self._held = frozenset(lease.key for lease in rest)
            return Eviction(tuple(evicted), tuple(lease.instance for lease in rest), verdict)
        self._held = frozenset()
        for lease in rest:
            reason = f"was evicted: no heartbeat for {lease.instance.duration:g} s"
            evicted.append(self._remove(lease, now, reason))
            self._evictions.append(now.monotonic)
        return Eviction(tuple(evicted), (), verdict)

    def crashed(self, key: LeaseKey, since: float, now: Moment, *, reason: str) -> Instance | None:
        """End the lease of an instance that is known to have crashed.

        Args:
            key: the lease.
            since: monotonic second of the crash; a heartbeat after it means that the instance is back.
            now: both clocks.
            reason: for the history, after "was evicted: ".

        Returns:
            The instance; None when there is no such lease or it was renewed since.
        """
        lease = self._lease(*key)
        if lease is None or lease.renewed > since:
            return None
        version = self._note_cancel(key, lease, None, now)
        gone = self._remove(lease, now, f"was evicted: {reason}")
        return msgspec.structs.replace(gone, last_dirty_timestamp=version)

    def holds(self, key: LeaseKey) -> bool:
        """Whether there is a lease, expired or not."""
        return self._lease(*key) is not None

    def cancelled(self, key: LeaseKey) -> int:
        """Up to which version an instance was cancelled lately; 0 for none, and where there are no peers."""
        cancel = self._cancelled.get(key)
        return cancel.version if cancel else 0

    def preservation(self, now: Moment) -> Preservation:
        """Return the verdict of self-preservation at this moment."""
        return self._judge(sum(lease.is_expired(now) for lease in self.leases()), now)

    # what readers see

    def leases(self) -> Iterator[Lease]:
        """Yield every lease; readers must not change them."""
        for leases in self._apps.values():
            yield from leases.values()

    def applications(self) -> dict[str, list[Instance]]:
        """Return all instances by application, expired ones included, as Netflix does."""
        return {app: [lease.shown() for lease in leases.values()] for app, leases in self._apps.items()}

    def application(self, app: str) -> list[Instance]:
        """Return one application's instances; empty when there is no such application."""
        return [lease.shown() for lease in self._apps.get(app.upper(), {}).values()]

    def instance(self, app: str, instance_id: str, now: Moment) -> Instance | None:
        """Return one instance; None when unknown, or expired and not held by self-preservation."""
        lease = self._lease(app, instance_id)
        return lease.shown() if lease and self._is_listed(lease, now) else None

    def instance_by_id(self, instance_id: str, now: Moment) -> Instance | None:
        """Return the first instance with this id in any application."""
        for leases in self._apps.values():
            lease = leases.get(instance_id)
            if lease and self._is_listed(lease, now):
                return lease.shown()
        return None

    def by_vip(self, name: str, *, is_secure: bool = False) -> list[Instance]:
        """Return the instances that carry a virtual name, compared exactly."""
        return [
            lease.shown()
            for lease in self.leases()
            if name in (lease.instance.secure_vips if is_secure else lease.instance.vips)
        ]

    def delta(self, now: Moment) -> list[Instance]:
        """Return the latest change of every instance that changed within the retention time, oldest first."""
        self._forget(now)
        return [change.instance for change in self._changes.values()]

    def changes_since(self, version: int) -> list[Instance] | None:
        """Return the latest change of every instance that changed after a version, oldest first.

        None when not all of them are held any more, or when there was no such version.
        """
        if not self._forgotten <= version <= self.version:
            return None
        newest = itertools.takewhile(lambda one: one.version > version, reversed(self._changes.values()))
        return [change.instance for change in newest][::-1]

    def delta_starts(self) -> float | None:
        """Monotonic second of the oldest change in the delta; None when there is none."""
        return next((change.at for change in self._changes.values()), None)

    def hashcode(self) -> str:
        """Return `apps__hashcode` over everything registered."""
        return hashcode(lease.instance.status for lease in self.leases())

    def overrides(self) -> dict[str, Status]:
        """Return the overrides in force, by instance id."""
        return {
            lease.instance.instance_id: lease.override
            for lease in self.leases()
            if lease.override is not None
        }

    def __len__(self) -> int:
        return sum(len(leases) for leases in self._apps.values())

    # start from a snapshot

    def restore(self, instances: Iterable[Instance], now: Moment) -> None:
        """Take over leases from before a restart; each gets its full duration to renew."""
        for instance in instances:
            override = None if instance.overridden is Status.UNKNOWN else instance.overridden
            lease = Lease.granted(instance, now)
            lease.registered_ms = instance.registration_timestamp
            lease.up_since_ms = instance.service_up_timestamp
            lease.override = override
            lease.is_restored = True
            self._apps.setdefault(instance.app, {})[instance.instance_id] = lease
            self._note(lease.key, now, lease.shown())

    def drop_restored(self, present: Collection[LeaseKey], now: Moment) -> None:
        """Give up leases from before the restart that a peer does not have: they ended meanwhile."""
        for lease in [one for one in self.leases() if one.is_restored and one.key not in present]:
            self._remove(lease, now, "left while the registry was away")

    # inside

    def _lease(self, app: str, instance_id: str) -> Lease | None:
        return self._apps.get(app.upper(), {}).get(instance_id)

    def _is_listed(self, lease: Lease, now: Moment) -> bool:
        return not lease.is_expired(now) or lease.key in self._held

    def _set_status(self, lease: Lease, status: Status, now: Moment, action: Action) -> None:
        lease.instance = msgspec.structs.replace(
            lease.instance, status=status, action=action, last_updated_timestamp=now.ms
        )
        if status is Status.UP:
            lease.mark_up(now)
        self._note(lease.key, now, lease.shown())

    def _is_younger(self, lease: Lease, dirty: int | None, is_replica: bool) -> bool:
        return not is_replica or dirty is None or dirty >= lease.override_dirty

    def _touch_dirty(self, lease: Lease, dirty: int | None, is_replica: bool) -> None:
        version = dirty or 0
        if self.policy.replicates and not is_replica:
            version = max(version, lease.dirty + 1)
        lease.override_dirty = version
        if version > lease.dirty:
            lease.instance = msgspec.structs.replace(lease.instance, last_dirty_timestamp=version)

    def _note_cancel(self, key: LeaseKey, lease: Lease | None, dirty: int | None, now: Moment) -> int:
        version = lease.dirty if lease else 0
        if self.policy.replicates:
            version = max(version, self.cancelled(key), now.ms if dirty is None else dirty)
            self._cancelled[key] = _Cancel(now.monotonic, version)
        return version

    def _remove(self, lease: Lease, now: Moment, what: str) -> Instance:
        app, instance_id = lease.key
        del self._apps[app][instance_id]
        if not self._apps[app]:
            del self._apps[app]
        shown = msgspec.structs.replace(
            lease.shown(evicted_ms=now.ms), action=Action.DELETED, last_updated_timestamp=now.ms
        )
        self._note(lease.key, now, shown)
        self._remember(now, what, shown)
        return shown

    def _note(self, key: LeaseKey, now: Moment, shown: Instance) -> None:
        self._changes.pop(key, None)  # so that the latest change stands last
        self.version += 1
        self._changes[key] = _Change(now.monotonic, self.version, shown)

    def _forget(self, now: Moment) -> None:
        oldest = now.monotonic - self.policy.delta_retention
        past = list(itertools.takewhile(lambda item: item[1].at < oldest, self._changes.items()))
        for key, change in past:
            self._forgotten = change.version
            del self._changes[key]
        self._cancelled = {key: cancel for key, cancel in self._cancelled.items() if cancel.at >= oldest}

    def _remember(self, now: Moment, what: str, instance: Instance) -> None:
        self.history.append(Happening(now.wall, what, instance))

    def _judge(self, expired: int, now: Moment) -> Preservation:
        while self._evictions and self._evictions[0] < now.monotonic - WINDOW:
            self._evictions.popleft()
        recent = len(self._evictions)
        policy = self.policy
        return Preservation(
            expired + recent, len(self) + recent, policy.minimum, policy.share, policy.preserve
        )

    def _give_back_lost_time(self, now: Moment) -> None:
        last, self._last_run = self._last_run, now.monotonic
        if last is None:
            return
        late = now.monotonic - last - self.policy.eviction_interval
        if late > self.policy.eviction_interval:
            for lease in self.leases():
                lease.extend(late, now)
