"""Who listens to the registry, how far each one is, and which instances hang on a stream. No IO, no clock.

A watcher that names itself acknowledges what it has applied when it is asked to; of the others it is only
known that the bytes were sent. An instance may be bound to its process's stream: when that breaks, the
instance is under suspicion, and `suspicion` judges. May import `feed` and `suspicion`. Invariant: a closed
stream neither counts nor binds.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from tidelock.discovery.feed import Apps, Position
from tidelock.discovery.lease import LeaseKey
from tidelock.discovery.suspicion import Suspicion


@dataclass(slots=True, eq=False)
class Stream:
    """One watcher's connection.

    Args:
        number: unique in this run.
        watcher: the name under which it acknowledges; None when it does not.
        apps: what it wants to hear of.
        since: how far it has been told.
        has_data: False is told only that something changed.
        acknowledged: the version up to which it has applied what it was told.
        instances: what ends when this connection breaks.
    """

    number: int
    watcher: str | None
    apps: Apps
    since: Position | None
    has_data: bool = True
    acknowledged: int = 0
    instances: set[LeaseKey] = field(default_factory=set)


@dataclass(slots=True)
class Streams:
    """All open streams."""

    suspicion: Suspicion = field(default_factory=Suspicion)
    _open: dict[int, Stream] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _wanted: int = 0

    def open(
        self,
        *,
        watcher: str | None = None,
        apps: Apps = None,
        since: Position | None = None,
        has_data: bool = True,
        instances: Collection[LeaseKey] = (),
    ) -> Stream:
        """A watcher comes."""
        stream = Stream(next(self._numbers), watcher, apps, since, has_data)
        self._open[stream.number] = stream
        for key in instances:
            self._bind(stream, key)
        return stream

    def close(self, stream: Stream, now: float) -> tuple[LeaseKey, ...]:
        """A watcher goes; returns its instances that hang on no other stream and are now suspect."""
        if self._open.pop(stream.number, None) is None:
            return ()
        return self.suspicion.lost(stream.number, now)

    def bind(self, watcher: str, key: LeaseKey) -> bool:
        """Let an instance hang on a watcher's stream; returns whether that watcher has one."""
        for stream in self._open.values():
            if stream.watcher == watcher:
                self._bind(stream, key)
                return True
        return False

    def release(self, key: LeaseKey) -> None:
        """An instance has left in peace: it hangs on nothing any more."""
        self.suspicion.release(key)

    def told(self, stream: Stream, position: Position, *, is_silent: bool) -> None:
        """A watcher was sent everything up to a position; `is_silent`: there was nothing to send."""
        stream.since = position
        if is_silent or stream.watcher is None:
            stream.acknowledged = position.version

    def acknowledge(self, watcher: str, version: int) -> bool:
        """A watcher has applied everything up to a version; returns whether it is known."""
        found = [stream for stream in self._open.values() if stream.watcher == watcher]
        for stream in found:
            stream.acknowledged = max(stream.acknowledged, version)
        return bool(found)

    def want(self, version: int) -> None:
        """From now on events that reach this version ask for an acknowledgement."""
        self._wanted = max(self._wanted, version)

    def asks(self, stream: Stream) -> bool:
        """Whether the next event to a watcher must ask for an acknowledgement."""
        return stream.watcher is not None and stream.acknowledged < self._wanted

    def acknowledged(self, version: int) -> int:
        """How many of the open streams have applied everything up to a version."""
        return sum(stream.acknowledged >= version for stream in self._open.values())

    def __len__(self) -> int:
        return len(self._open)

    def _bind(self, stream: Stream, key: LeaseKey) -> None:
        stream.instances.add(key)
        self.suspicion.bound(stream.number, key)
