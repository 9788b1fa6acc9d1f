"""A client's own copy of the registry: what a full document or a delta does to it. No IO, no clock.

Deltas are merged idempotently: the same delta twice, or one that overlaps the full document, changes nothing.
After each merge the copy's hash code is compared with the registry's; a difference means that something was
missed (the delta reaches back three minutes), and the caller fetches everything. May import `instance` and
`codec.fields`. Invariant: `hashcode()` is always that of the instances held.

Source: Netflix `com.netflix.discovery.DiscoveryClient.updateDelta`, `reconcileAndLogDifference`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tidelock.discovery.codec.fields import Applications
from tidelock.discovery.instance import Action, Instance, hashcode


@dataclass(slots=True)
class Replica:
    """Instances by application and id.

    Args:
        only_up: whether look-ups leave out what is not UP.
    """

    only_up: bool = True
    _apps: dict[str, dict[str, Instance]] = field(default_factory=dict)
    _listed: dict[str, tuple[Instance, ...]] = field(default_factory=dict)

    def replace(self, document: Applications) -> frozenset[str]:
        """Take over a full document; returns the applications whose instances to call changed."""
        fresh = {
            app: {instance.instance_id: instance for instance in instances}
            for app, instances in document.instances.items()
            if instances
        }
        before, self._apps = self._listed, fresh
        self._listed = {}
        return self._list(set(before) | set(fresh), before)

    def merge(self, delta: Applications) -> tuple[frozenset[str], bool]:
        """Take over a delta.

        Returns:
            The applications whose instances to call changed, and whether the copy agrees with the registry.
        """
        before = dict(self._listed)
        touched = set()
        for instances in delta.instances.values():
            for instance in instances:
                touched.add(instance.app)
                self._apply(instance)
        changed = self._list(touched, before)
        return changed, self.hashcode() == delta.hashcode

    def instances(self, app: str) -> tuple[Instance, ...]:
        """Return the instances to call; the same tuple until something changes."""
        return self._listed.get(app, ()) or self._listed.get(app.upper(), ())

    def applications(self) -> tuple[str, ...]:
        """Return the names of all applications known, in upper case, with or without instances to call."""
        return tuple(self._apps)

    def hashcode(self) -> str:
        """Return the copy's own `apps__hashcode`."""
        return hashcode(one.status for instances in self._apps.values() for one in instances.values())

    def _apply(self, instance: Instance) -> None:
        held = self._apps.setdefault(instance.app, {})
        if instance.action is Action.DELETED:
            held.pop(instance.instance_id, None)
        else:
            held[instance.instance_id] = instance
        if not held:
            del self._apps[instance.app]

    def _list(self, apps: Iterable[str], before: dict[str, tuple[Instance, ...]]) -> frozenset[str]:
        changed = set()
        for app in apps:
            held = self._apps.get(app, {}).values()
            listed = tuple(instance for instance in held if instance.is_up or not self.only_up)
            known = before.get(app, ())
            if _same(listed, known):
                listed = known
            else:
                changed.add(app)
            if listed:
                self._listed[app] = listed
            else:
                self._listed.pop(app, None)
        return frozenset(changed)


def _same(ours: tuple[Instance, ...], theirs: tuple[Instance, ...]) -> bool:
    """Whether a caller would see no difference: lease timestamps and the kind of change do not count."""
    return len(ours) == len(theirs) and all(map(_alike, ours, theirs))


def _alike(one: Instance, other: Instance) -> bool:
    return (
        one.instance_id == other.instance_id
        and one.address == other.address
        and one.status is other.status
        and one.is_secure == other.is_secure
        and one.metadata == other.metadata
        and one.last_dirty_timestamp == other.last_dirty_timestamp
    )
