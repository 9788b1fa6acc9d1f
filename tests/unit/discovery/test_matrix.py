"""Every combination of statuses, override, lease, sender and age, against the Java registry written out.

`Java` says line by line what `AbstractInstanceRegistry` and `InstanceResource` do; nothing of it is shared
with the registry under test.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.unit.discovery.making import an_instance, at
from tidelock.discovery.instance import Status
from tidelock.discovery.registry import Registry, Renewal

UP, OUT, UNKNOWN = Status.UP, Status.OUT_OF_SERVICE, Status.UNKNOWN
KEY = ("orders", "h:orders:80")
DIRTY = 1000


@dataclass
class Info:
    """`InstanceInfo`, as far as the rules look at it."""

    status: Status
    overridden: Status
    dirty: int


@dataclass
class Java:
    """One instance in Netflix's registry."""

    holder: Info | None = None
    overrides: dict[str, Status] = field(default_factory=dict)

    def rules(self, info: Info, existing: Info | None, is_replication: bool) -> Status:
        if info.status is not UP and info.status is not OUT:
            return info.status
        if "id" in self.overrides:
            return self.overrides["id"]
        if not is_replication and existing is not None and existing.status in (OUT, UP):
            return existing.status
        return info.status

    def register(self, registrant: Info, is_replication: bool) -> None:
        existing = self.holder
        if existing is not None and existing.dirty > registrant.dirty:
            registrant = existing
        self.holder = registrant
        if registrant.overridden is not UNKNOWN and "id" not in self.overrides:
            self.overrides["id"] = registrant.overridden
        if "id" in self.overrides:
            registrant.overridden = self.overrides["id"]
        registrant.status = self.rules(registrant, existing, is_replication)

    def renew(self, dirty: int | None, is_replication: bool) -> int:
        if self.holder is None:
            return 404
        status = self.rules(self.holder, self.holder, is_replication)
        if status is UNKNOWN:
            return 404
        self.holder.status = status
        if dirty is not None and dirty != self.holder.dirty:
            if dirty > self.holder.dirty:
                return 404
            return 409 if is_replication else 200
        return 200

    def update_status(self, status: Status) -> bool:
        if self.holder is None:
            return False
        if self.holder.status is not status:
            self.overrides["id"] = status
            self.holder.overridden = self.holder.status = status
        return True

    def remove_override(self, status: Status) -> bool:
        if self.holder is None:
            return False
        if self.overrides.pop("id", None) is not None:
            self.holder.overridden, self.holder.status = UNKNOWN, status
        return True


ANSWERS = {Renewal.RENEWED: 200, Renewal.UNKNOWN: 404, Renewal.STALE_HERE: 404, Renewal.STALE_THERE: 409}


@dataclass
class Both:
    """The same history for both."""

    java: Java = field(default_factory=Java)
    ours: Registry = field(default_factory=Registry)
    number: int = 0

    def register(self, status: Status, dirty: int, overridden: Status, replica: bool) -> None:
        self.java.register(Info(status, overridden, dirty), replica)
        sent = an_instance(status=status, overridden=overridden, last_dirty_timestamp=dirty)
        self.ours.register(sent, at(self.number), is_replica=replica)

    def renew(self, dirty: int | None, replica: bool) -> None:
        answer = self.ours.renew(*KEY, at(self.number), dirty=dirty, is_replica=replica)
        assert ANSWERS[answer] == self.java.renew(dirty, replica)

    def override(self, status: Status) -> None:
        done = self.ours.override(*KEY, status, at(self.number)) is not None
        assert done == self.java.update_status(status)

    def remove(self, status: Status) -> None:
        done = self.ours.remove_override(*KEY, status, at(self.number)) is not None
        assert done == self.java.remove_override(status)

    def check(self) -> None:
        self.number += 1
        held, info = self.ours.instance(*KEY, at(self.number)), self.java.holder
        assert (held is None) == (info is None)
        if held is not None and info is not None:
            assert (held.status, held.last_dirty_timestamp) == (info.status, info.dirty)
            assert held.overridden is info.overridden


BEFORE = list(itertools.product((None, *Status), (None, *Status)))
AGES = (DIRTY - 1, DIRTY, DIRTY + 1)


def situations() -> Iterator[tuple[tuple[Status | None, Status | None], Both]]:
    """Every lease and override that there may be beforehand."""
    for existing, override in BEFORE:
        both = Both()
        if existing is not None:
            both.register(existing, DIRTY, UNKNOWN, False)
        if override is not None:
            both.override(override)
        both.check()
        yield (existing, override), both


def test_every_registration_ends_as_in_java() -> None:
    cases = 0
    sent = list(itertools.product(Status, (UNKNOWN, OUT, UP), AGES, (False, True)))
    for number, (status, overridden, dirty, replica) in enumerate(sent):
        for _, both in situations():
            both.register(status, dirty, overridden, replica)
            both.check()
            both.renew(DIRTY, is_odd(number))  # and what the next heartbeat makes of it
            both.check()
            cases += 1
    assert cases == 36 * len(sent) == 3240


def test_every_heartbeat_is_answered_as_in_java() -> None:
    cases = 0
    for dirty, replica in itertools.product((None, *AGES), (False, True)):
        for _, both in situations():
            both.renew(dirty, replica)
            both.check()
            cases += 1
    assert cases == 288


def test_every_removal_of_an_override_ends_as_in_java() -> None:
    cases = 0
    for status, replica in itertools.product(Status, (False, True)):
        for _, both in situations():
            both.remove(status)
            both.check()
            both.renew(DIRTY, replica)
            both.check()
            both.register(UP, DIRTY + 1, UNKNOWN, replica)
            both.check()
            cases += 1
    assert cases == 360


def is_odd(number: int) -> bool:
    return number % 2 == 1
