"""The relay: outbox rows into a topic, none lost, in the order of their key, whatever dies on the way.

`Pump` is one holder's work without threads or waiting; `Relay` drives it in a thread of its own, waits its
turn, backs off while the broker is away and says how it is doing. Rows leave the outbox only after all
replicas have acknowledged them. Memory is bounded by `batch_size` rows.

No row is ever lost. A row is published once over a crash of the relay, of the database and of a broker of
one node (ours), because a successor finds in the topic's tail what its predecessor published
(tidelock.sync.rules). It may be published twice where the predecessor's request was still on its way when
the successor read the tail, or was not yet on all replicas and so not readable: a replicated Apache Kafka, a
slow network, a relay that was cut off from its database. Only a transactional producer excludes that;
consumers can tell a second record by its two headers.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from sqlalchemy.engine import URL, Engine

from tidelock import observe
from tidelock.errors import TidelockError
from tidelock.runtime import Clock, SystemClock
from tidelock.sql import parse_url
from tidelock.sync import rules
from tidelock.sync.errors import RelayBusy, SyncError
from tidelock.sync.log import Log
from tidelock.sync.outbox import TABLE
from tidelock.sync.store import OutboxStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """How a relay works.

    Args:
        batch_size: rows read, published and deleted together.
        poll: seconds between looks into an empty outbox.
        first_pause: seconds before the first new attempt after a failure; doubles up to `longest_pause`.
        refresh: seconds after which an idle relay stores the topics' ends anew, so that a successor has
            little to read.
    """

    batch_size: int = 1000
    poll: float = 0.1
    first_pause: float = 0.1
    longest_pause: float = 5.0
    refresh: float = 30.0


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """How a relay is doing.

    Args:
        state: `stopped`, `waiting` (for its turn), `running`, `retrying` or `failed`.
        published: records published since it started.
        found: records in the topics' tails that a predecessor had published.
        error: the last failure while `retrying`.
    """

    state: str = "stopped"
    published: int = 0
    found: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class RelayPublished:
    """A batch has left the outbox (event)."""

    records: int
    seconds: float


class Session(Protocol):
    """What the pump needs of the database: `tidelock.sync.store.StoreSession`."""

    def read(self, limit: int) -> list[rules.OutboxRow]: ...  # noqa: D102  # see StoreSession

    def positions(self) -> dict[rules.TopicPartition, int]: ...  # noqa: D102

    def finish(self, published: list[int], ends: rules.Positions) -> None: ...  # noqa: D102


class Pump:
    """The holder's work on one outbox.

    1. `recover` once: read the topics' tails for what a predecessor published.
    2. `step` again and again: one batch.
    3. `refresh` when there is nothing to do.

    After any error only a new Pump may go on, after `log.reset()`.
    """

    def __init__(self, session: Session, log: Log, source: str, batch_size: int) -> None:
        self._session = session
        self._log = log
        self._source = source
        self._batch_size = batch_size
        self._positions: dict[rules.TopicPartition, int] = {}

    def recover(self) -> int:
        """Delete the rows that a predecessor published; returns how many records of this outbox it found.

        All of them before anything else: rows that became visible since may come before them, and storing
        the ends behind those would hide the predecessor's records from the next successor.

        Raises:
            LogUnavailable: the broker does not answer.
        """
        self._positions = self._session.positions()
        topics = rules.seen_topics(self._positions)
        present = {topic: self._log.ends(topic, is_known=True) for topic in topics}
        found = sorted(self._log.sequences(rules.tail_starts(self._positions, present), self._source))
        for first in range(0, len(found), self._batch_size):
            self._store(found[first : first + self._batch_size], {})
        for topic, one in present.items():
            if rules.is_made_anew(self._positions, topic, one):
                self._store([], rules.positions_of(topic, one))  # what is below these ends was read
        return len(found)

    def step(self, go_on: Callable[[], bool]) -> int:
        """Publish one batch; returns how many records, 0 when the outbox is empty.

        Raises:
            LogUnavailable, RecordRejected: see Log.append; the rows stay.
        """
        rows = self._session.read(self._batch_size)
        if not rows:
            return 0
        for topic in rules.new_topics(rows, self._positions):
            self._store([], rules.positions_of(topic, self._log.ends(topic)))
        ends = self._log.append(rows, self._source, go_on=go_on)
        self._store([row.id for row in rows], ends)
        for topic in rules.nameless_topics(self._positions):  # the first record has made it
            incarnation = self._log.ends(topic).incarnation
            if incarnation != rules.UNKNOWN:
                self._store([], {(topic, rules.TOPIC_SEEN): incarnation})
        return len(rows)

    def refresh(self) -> None:
        """Store the present ends; only right while nothing is on the way."""
        for topic in rules.seen_topics(self._positions):
            present = self._log.ends(topic, is_known=True)
            if present.incarnation != rules.UNKNOWN:
                ends = rules.positions_of(topic, present)
                self._store([], {pair: end for pair, end in ends.items() if self._positions.get(pair) != end})

    def _store(self, published: list[int], ends: rules.Positions) -> None:
        self._session.finish(published, ends)
        self._positions.update(ends)


class Relay:
    """Publishes an outbox for as long as it runs.

    Args:
        database: the engine or URL of the database that holds the outbox; connections are the relay's own.
        bootstrap: the broker's `host:port`.
        table: the outbox table.
        settings: how it works.
        log: where to publish to; None makes a `KafkaLog` of `bootstrap`.
        clock: for the pace of refreshing.
    """

    def __init__(
        self,
        database: Engine | URL | str,
        bootstrap: str = "localhost:9092",
        *,
        table: str = TABLE,
        settings: RelaySettings | None = None,
        log: Log | None = None,
        clock: Clock | None = None,
    ) -> None:
        url = parse_url(database.url if isinstance(database, Engine) else database)
        self._store = OutboxStore(url, table)
        self._bootstrap = bootstrap
        self._settings = settings or RelaySettings()
        self._log = log
        self._clock = clock or SystemClock()
        self._status = RelayStatus()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._give_up_at = 0.0  # by the clock; counts once the relay is told to stop

    def start(self) -> None:
        """Begin to work in a thread; a broker or database that is away is waited for."""
        if self._thread is not None:
            raise SyncError("the relay runs already")
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="tidelock-relay", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Finish the batch at hand if the broker answers, and end; unpublished rows stay in the outbox.

        Args:
            timeout: seconds to wait for the thread.
        """
        self._give_up_at = self._clock.monotonic() + timeout / 2
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                log.warning("the relay did not end in time", extra={"seconds": timeout})
            self._thread = None
        self._store.dispose()

    def wake(self) -> None:
        """Look into the outbox now; call it after a commit to save the wait for the next poll."""
        self._wake.set()

    @property
    def status(self) -> RelayStatus:
        """How it is doing; any thread may ask."""
        return self._status

    def lag(self) -> int:
        """Return how many rows wait in the outbox."""
        try:
            return self._store.waiting()
        finally:
            if self._thread is None:
                self._store.dispose()  # nobody else will

    def until_caught_up(self, timeout: float) -> bool:
        """Wait until the outbox is empty and everything in it acknowledged.

        Args:
            timeout: seconds.

        Returns:
            False when rows are left after the time.
        """
        deadline = self._clock.monotonic() + timeout
        while self.lag():
            self.wake()
            if self._clock.monotonic() > deadline:
                return False
            self._stopping.wait(0.02)
        return True

    def _run(self) -> None:
        attempt, state = 0, "failed"
        made = self._log or self._kafka_log()
        try:
            while not self._stopping.is_set():
                before = self._status.published
                try:
                    self._hold(made)
                except RelayBusy as error:
                    self._note("waiting", error)
                except TidelockError as error:
                    attempt = 1 if self._status.published > before else attempt + 1
                    made.reset()
                    if not self._stopping.is_set():
                        self._note("retrying", error)
                first, longest = self._settings.first_pause, self._settings.longest_pause
                self._stopping.wait(rules.pause_before(max(attempt, 1), first=first, longest=longest))
            state = "stopped"
        finally:
            made.close()
            self._status = replace(self._status, state=state)

    def _kafka_log(self) -> Log:
        from tidelock.sync.kafka_log import KafkaLog  # librdkafka is loaded by whoever starts a relay

        return KafkaLog(self._bootstrap)

    def _hold(self, log: Log) -> None:
        """Hold the outbox and publish until told to stop or something fails."""
        source = self._store.create()
        with self._store.session() as session:
            pump = Pump(session, log, source, self._settings.batch_size)
            self._count(0, pump.recover(), 0.0)
            refreshed = self._clock.monotonic()
            while not self._stopping.is_set():
                self._wake.clear()
                began = self._clock.monotonic()
                count = pump.step(self._goes_on)
                self._count(count, 0, self._clock.monotonic() - began)
                if count:
                    continue
                if self._clock.monotonic() - refreshed > self._settings.refresh:
                    pump.refresh()
                    refreshed = self._clock.monotonic()
                self._wake.wait(self._settings.poll)

    def _goes_on(self) -> bool:
        return not self._stopping.is_set() or self._clock.monotonic() < self._give_up_at

    def _count(self, count: int, found: int, seconds: float) -> None:
        status = self._status
        if count or found or status.state != "running":
            self._status = RelayStatus("running", status.published + count, status.found + found)
        if count:
            observe.emit(RelayPublished(count, seconds))

    def _note(self, state: str, error: TidelockError) -> None:
        if state != self._status.state:
            log.warning("the relay is %s: %s", state, error.what, extra={"where": error.where})
        self._status = replace(self._status, state=state, error=error.what)
