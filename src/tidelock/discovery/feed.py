"""What watchers are told: everything once, then what changed since their position. No IO, no clock.

A position is `epoch:version`: the epoch changes when the registry starts, because its version counts from
zero again; a position of another epoch, or one older than the changes still held, gets everything. All
watchers at the same position get the same bytes, encoded once. May import `registry`, `documents` and
`codec`. Invariant: whoever applies all events in order holds what the registry holds, as far as the filter
lets it through, and the hash code in each event says so.

Source: WHATWG HTML 9.2 (server-sent events) for the form of an event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from tidelock.discovery.codec.fields import DELTA, FULL, Applications
from tidelock.discovery.documents import Form
from tidelock.discovery.instance import Instance, hashcode
from tidelock.discovery.registry import Registry

Apps = frozenset[str] | None
"""Applications in upper case that a watcher wants to hear of; None is all."""


class Position(NamedTuple):
    """How far a watcher has read."""

    epoch: str
    version: int

    @classmethod
    def read(cls, text: str) -> Position | None:
        """Return the position in a text; None for anything that is none, which is told everything."""
        epoch, colon, version = text.rpartition(":")
        if not colon or not epoch or not (version.isascii() and version.isdigit() and len(version) < 19):
            return None
        return cls(epoch, int(version))

    def __str__(self) -> str:
        return f"{self.epoch}:{self.version}"


@dataclass(frozen=True, slots=True)
class News:
    """What there is to tell.

    Args:
        kind: FULL replaces what the watcher holds, DELTA is merged into it.
        position: where the watcher is afterwards.
        document: under the hash code of all that the filter lets through.
    """

    kind: str
    position: Position
    document: Applications

    def event(self) -> bytes:
        """Return it as a server-sent event."""
        body = Form.JSON.applications(self.document)
        return b"id: %s\nevent: %s\ndata: %s\n\n" % (str(self.position).encode(), self.kind.encode(), body)


@dataclass(slots=True)
class Feed:
    """Tells watchers of one registry.

    Args:
        registry: the lease table.
        epoch: differs from start to start.
    """

    registry: Registry
    epoch: str
    _version: int = -1
    _events: dict[tuple[int | None, Apps], bytes | None] = field(default_factory=dict)

    @property
    def position(self) -> Position:
        """Where a watcher is that has heard everything."""
        return Position(self.epoch, self.registry.version)

    def news(self, since: Position | None, apps: Apps = None) -> News | None:
        """Return what to tell a watcher; None when nothing changed that its filter lets through."""
        registry = self.registry
        changes = self._changes(since)
        if changes is None:
            grouped = {app: found for app, found in registry.applications().items() if _passes(app, apps)}
            return News(FULL, self.position, Applications(self._hashcode(apps), grouped, registry.version))
        grouped = {}
        for instance in changes:
            if _passes(instance.app, apps):
                grouped.setdefault(instance.app, []).append(instance)
        if not grouped:
            return None
        return News(DELTA, self.position, Applications(self._hashcode(apps), grouped, registry.version))

    def nothing(self, apps: Apps = None) -> News:
        """Return a delta without a change."""
        return News(DELTA, self.position, Applications(self._hashcode(apps), {}, self.registry.version))

    def event(self, since: Position | None, apps: Apps = None) -> bytes | None:
        """Return `news` as a server-sent event, encoded once for all watchers at this position."""
        if self._version != self.registry.version:
            self._version = self.registry.version
            self._events.clear()
        key = (since.version if since and since.epoch == self.epoch else None, apps)
        if key not in self._events:
            news = self.news(since, apps)
            self._events[key] = None if news is None else news.event()
        return self._events[key]

    def _changes(self, since: Position | None) -> list[Instance] | None:
        if since is None or since.epoch != self.epoch:
            return None
        return self.registry.changes_since(since.version)

    def _hashcode(self, apps: Apps) -> str:
        if apps is None:
            return self.registry.hashcode()
        everyone = (lease.instance for lease in self.registry.leases())
        return hashcode(one.status for one in everyone if one.app in apps)


def filter_of(text: str | None) -> Apps:
    """Return the filter in a comma list: None lets everything through, an empty text nothing."""
    if text is None:
        return None
    return frozenset(name.strip().upper() for name in text.split(",") if name.strip())


def _passes(app: str, apps: Apps) -> bool:
    return apps is None or app in apps
