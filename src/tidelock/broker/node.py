"""One broker without its sockets: requests in, replies out, time as an argument. No IO of its own.

    handle(frame, client, now) -> Chunks        the reply, its size first
                                | None          the client wants none (acks=0)
                                | Parked        the reply comes later, through `take_finished`
    tick(now), wake_at()                        time acts: waits end, sessions end, retention, offset expiry
    begin_flush() -> FlushJob, end_flush(job)   the shell runs the job, in a thread if it likes
    changes.begin() -> Job, end_change(job)     the same for topics, configs and what else takes steps

Under the flush policy `group` a reply to a request that appended something is held until the flush that
follows: the node parks it, whatever the API. Recovery is `open`: the metadata log, then every partition,
then the groups from `__consumer_offsets`, all through the same `apply` as in normal running.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable, Sequence, Set
from types import GeneratorType
from typing import Any, NamedTuple

from tidelock.broker.apis import api_versions, fetch, metadata, produce
from tidelock.broker.apis.call import Call
from tidelock.broker.apis.closing import CloseConnection
from tidelock.broker.apis.limits import MOST_BYTES
from tidelock.broker.apis.metadata_replies import MetadataReplies
from tidelock.broker.apis.registry import BY_KEY, handler
from tidelock.broker.changes import Changes, Job, Steps
from tidelock.broker.groups.classic import ClassicRules
from tidelock.broker.groups.coordinator import GroupCoordinator
from tidelock.broker.instant import Instant
from tidelock.broker.log import Files, FlushJob, OpenReport, PartitionKey
from tidelock.broker.metadata import ClusterNamed, MetadataLog
from tidelock.broker.purgatory import Parked, ParkedFetch
from tidelock.broker.read_back import read_back
from tidelock.broker.settings import BrokerSettings
from tidelock.broker.state import BrokerState, Chunks, ParkedGroup
from tidelock.broker.transactions.coordinator import TransactionCoordinator, TransactionLimits
from tidelock.protocol.apis import request_class
from tidelock.protocol.error_codes import KafkaStorageError
from tidelock.protocol.frame import read_request_header
from tidelock.protocol.messages.metadata import MetadataRequest, MetadataResponse
from tidelock.protocol.primitives import MalformedMessage, skip_tags

PRODUCE, FETCH, METADATA, API_VERSIONS = 0, 1, 3, 18
# How often sealed segments are flushed under the policy `os`, in seconds.
SEALED_FLUSH_INTERVAL = 1.0

_FLEXIBLE_SINCE = (produce.FLEXIBLE_SINCE, fetch.FLEXIBLE_SINCE)
_header = struct.Struct(">hhih").unpack_from


class Finished(NamedTuple):
    """A parked request that has ended; with an empty reply its connection must be closed."""

    parked: Parked
    chunks: Chunks


class Held(NamedTuple):
    """A reply that waits for a flush, and what it is about: see `BrokerState.touched`."""

    finished: Finished
    touched: Sequence[tuple[PartitionKey, int]]


class Node:
    """One broker's state with everything that may be asked of it.

    Use `open`; the constructor takes a state that has been read back, and what that found.

    Attributes:
        has_new_deadlines: since the shell last looked, something may have got an earlier `wake_at`. Appends
            and answered fetches never do, and they are nearly all requests.
    """

    def __init__(self, state: BrokerState, report: OpenReport, now: Instant) -> None:
        self.state = state
        self.report = report
        self.has_new_deadlines = False
        self.changes = Changes()
        state.settle = self._settle
        self._metadata_replies = MetadataReplies(state)
        self._produce = produce.Heads(state)
        self._is_handling: Parked | None = None
        self._holds = state.settings.tidelock_flush_policy == "group"
        self._held: list[Held] = []
        self._flushing: list[Held] = []
        self._flush_running = False
        settings = state.settings
        self._periodic: dict[Callable[[Instant], object], float] = {
            self._retention: settings.log_retention_check_interval_ms / 1000,
            self._expire_offsets: settings.offsets_retention_check_interval_ms / 1000,
            self._expire_transactional_ids: (
                settings.transaction_remove_expired_transaction_cleanup_interval_ms / 1000
            ),
        }
        self._due = {act: now.monotonic + every for act, every in self._periodic.items()}
        self.flush_interval = (
            settings.log_flush_interval_ms / 1000
            if settings.tidelock_flush_policy == "interval"
            else SEALED_FLUSH_INTERVAL
        )
        self._flush_at = now.monotonic + self.flush_interval

    @classmethod
    def open(
        cls, settings: BrokerSettings, files: Files, now: Instant, new_bytes: Callable[[int], bytes]
    ) -> Node:
        """Read a data folder back, or begin in an empty one.

        Args:
            settings: the broker's.
            files: the data folder.
            now: the moment of the start.
            new_bytes: n random bytes, for ids.

        Raises:
            CorruptMetadata, CorruptGroupRecord: what is there cannot be read.
            OSError: the disk.
        """
        metadata = MetadataLog(files)
        if not metadata.image.cluster_id:
            name = base64.urlsafe_b64encode(new_bytes(16)).rstrip(b"=").decode()
            metadata.commit(ClusterNamed(name))
        state = BrokerState(settings, metadata, files, new_bytes)
        report = state.open_logs(now)
        rules = ClassicRules(
            settings.group_min_session_timeout_ms / 1000,
            settings.group_max_session_timeout_ms / 1000,
            settings.group_initial_rebalance_delay_ms / 1000,
            settings.group_max_size,
            lambda: _uuid(new_bytes(16)),
        )
        state.groups = GroupCoordinator(rules, state.journal, settings.offsets_retention_minutes * 60_000)
        limits = TransactionLimits(
            settings.transaction_max_timeout_ms, settings.transactional_id_expiration_ms
        )
        state.transactions = TransactionCoordinator(state, limits)
        if settings.tidelock_flush_policy == "group":
            _flush_what_was_found(state, report)
        read_back(state, now)
        return cls(state, report, now)

    # -- requests -----------------------------------------------------------------------------------

    def handle(self, frame: memoryview, client_host: str, now: Instant) -> Chunks | Parked | None:
        """Answer one request.

        Args:
            frame: a request without its size; writable, and the caller's again afterwards.
            client_host: the peer's address.
            now: the moment of its arrival.

        Returns:
            The reply; None when the client wants none; or what to wait for.

        Raises:
            MalformedMessage, CloseConnection: the connection must end.
        """
        state = self.state
        state.touched.clear()
        reply = self._answer(frame, client_host, now)
        if isinstance(reply, ParkedGroup):
            reply = self._answered_at_once(reply)
        if state.touched:
            return self._hold(reply)
        return reply

    def _answer(self, frame: memoryview, client_host: str, now: Instant) -> Chunks | Parked | None:
        try:
            key, version, correlation_id, length = _header(frame)
        except struct.error:
            raise MalformedMessage(f"a request of {len(frame)} bytes has no header") from None
        api = BY_KEY.get(key)
        if api is None:
            raise CloseConnection(f"API key {key} is not served")
        if not max(api.min_version, api.least) <= version <= api.max_version:
            if key == API_VERSIONS:
                return Call(0, correlation_id, "", client_host, now).framed(api_versions.unsupported())
            raise CloseConnection(f"{api.module} v{version} is not served")
        if key <= FETCH:
            return self._data(
                key, frame, 10 + max(length, 0), Call(version, correlation_id, "", client_host, now)
            )
        if len(frame) > MOST_BYTES:
            raise CloseConnection(f"{api.module} v{version} of {len(frame)} bytes")
        self.has_new_deadlines = True
        header = read_request_header(frame)
        if key == METADATA:
            return self._metadata(
                frame, header.end, Call(version, correlation_id, header.client_id or "", client_host, now)
            )
        call = Call(version, correlation_id, header.client_id or "", client_host, now)
        request, _ = request_class(key).decode(frame, version, header.end)
        response = handler(key)(self.state, request, call)
        if isinstance(response, GeneratorType):
            return self._change(response, call.framed)
        return response if isinstance(response, Parked) else call.framed(response)

    def _metadata(self, frame: memoryview, pos: int, call: Call) -> Chunks | Parked:
        asked = bytes(frame[pos:])
        known = self._metadata_replies.find(call.version, asked, call.correlation_id)
        if known is not None:
            return known
        request, _ = MetadataRequest.decode(asked, call.version, 0)

        def framed(response: MetadataResponse) -> Chunks:
            chunks = call.framed(response)
            self._metadata_replies.keep(call.version, asked, response, bytes(chunks[0]))
            return chunks

        response = metadata.handle(self.state, request, call)
        return framed(response) if isinstance(response, MetadataResponse) else self._change(response, framed)

    def _change(self, steps: Steps[Any], framed: Callable[[Any], Chunks]) -> Chunks | Parked:
        """Let a change begin, or wait for those before it; one that needs no step is answered now."""
        parked = Parked()
        answers: list[Chunks] = []

        def finish(answer: Any) -> None:
            chunks = [] if answer is None else framed(answer)
            if self._is_handling is parked:
                answers.append(chunks)
            elif self.state.touched:
                self._hold(chunks, parked)
            elif not parked.cancelled:
                self.state.finished.append((parked, chunks))

        self._is_handling = parked
        try:
            self.changes.add(steps, finish)
        finally:
            self._is_handling = None
        return answers[0] if answers else parked

    def end_change(self, job: Job) -> None:
        """Take over that a job of the change at hand has run."""
        self.state.touched.clear()
        self.has_new_deadlines = True
        self.changes.end(job)

    def _settle(self) -> None:
        """Finish the change at hand in the middle of a request, whose own appends are none of its."""
        state = self.state
        touched, state.touched = state.touched, []
        self.changes.settle()
        state.touched = touched

    def _data(self, key: int, frame: memoryview, pos: int, call: Call) -> Chunks | Parked | None:
        try:
            if call.version >= _FLEXIBLE_SINCE[key]:
                pos = pos + 1 if not frame[pos] else skip_tags(frame, pos)
            if key == PRODUCE:
                return self._produce.handle(frame, pos, call)
            reply = fetch.handle(self.state, frame, pos, call)
        except (struct.error, IndexError, UnicodeDecodeError) as error:
            raise MalformedMessage(f"a request is cut short or garbled: {error}") from error
        if isinstance(reply, ParkedFetch):
            self.state.park(reply, reply.committed)
            self.has_new_deadlines = True
        return reply

    def _answered_at_once(self, waiter: ParkedGroup) -> Chunks | Parked:
        """A join or sync that did not have to wait: its answer is among the finished ones."""
        finished = self.state.finished
        for position, (parked, chunks) in enumerate(finished):
            if parked is waiter:
                del finished[position]
                return chunks
        return waiter

    def _hold(self, reply: Chunks | Parked | None, parked: Parked | None = None) -> Chunks | Parked | None:
        """Keep back what this request, which may be parked already, has answered until it is flushed."""
        state = self.state
        touched, state.touched = state.touched, []
        self._held += [
            Held(Finished(parked, chunks), [(key, -1) for key, _ in touched])
            for parked, chunks in state.finished
            if isinstance(parked, ParkedGroup)
        ]
        state.finished = [one for one in state.finished if not isinstance(one[0], ParkedGroup)]
        if reply is None or isinstance(reply, Parked):
            return reply
        parked = parked or Parked()
        self._held.append(Held(Finished(parked, reply), touched))
        return parked

    def take_finished(self) -> list[Finished]:
        """Return the parked requests that have ended since the last call."""
        if not self.state.finished:
            return []
        finished = [Finished(parked, chunks) for parked, chunks in self.state.finished]
        self.state.finished = []
        return finished

    def forget(self, parked: Parked) -> None:
        """The client of a parked request is gone."""
        parked.cancelled = True
        if isinstance(parked, ParkedFetch):
            self.state.purgatory.forget(parked)

    # -- time ---------------------------------------------------------------------------------------

    def wake_at(self) -> float:
        """When `tick` is due; monotonic seconds."""
        state = self.state
        own = min(self._due.values())
        return min(state.purgatory.wake_at(), state.groups.wake_at(), state.transactions.wake_at(), own)

    def tick(self, now: Instant) -> None:
        """Let time act."""
        state = self.state
        state.touched.clear()
        state.wake(state.purgatory.overdue(now.monotonic))
        state.answer_groups(state.groups.tick(now))
        state.transactions.tick(now)
        for act, due in self._due.items():
            if due <= now.monotonic:
                self._due[act] = now.monotonic + self._periodic[act]
                act(now)
        if state.touched:
            self._hold(None)

    def _retention(self, now: Instant) -> None:
        logs = self.state.logs
        logs.retention(now.wall_ms)
        logs.expire_producers(now.wall_ms)

    def _expire_offsets(self, now: Instant) -> None:
        self.state.groups.expire_offsets(now)

    def _expire_transactional_ids(self, now: Instant) -> None:
        self.state.transactions.expire(now)

    # -- durability ---------------------------------------------------------------------------------

    @property
    def flush_is_due(self) -> bool:
        """Whether replies or readers wait for a flush and none is running."""
        return not self._flush_running and bool(self._held or (self._holds and self.state.unflushed))

    def begin_flush(self) -> FlushJob | None:
        """Start a flush of what the policy says; None if there is nothing or one is running."""
        if self._flush_running:
            return None
        state = self.state
        sealed_only = state.settings.tidelock_flush_policy == "os"
        job = state.logs.begin_flush(list(state.unflushed), sealed_only=sealed_only)
        state.unflushed = {one: None for one in state.unflushed if sealed_only and one.unflushed}
        self._flushing, self._held = self._held, []
        if job is None:
            self._release()
            return None
        self._flush_running = True
        return job

    def end_flush(self, job: FlushJob) -> None:
        """Take over the outcome of a flush and release the replies that waited for it."""
        self._flush_running = False
        logs = self.state.logs
        begun = [logs.partitions.get(part.key) for part in job.parts]
        before = [(one, one.recovery_point) for one in begun if one is not None]
        logs.end_flush(job)
        if job.failures:
            self._take_back(job.failures.keys())
        self._release()
        for partition, start in before:
            self.state.flushed(partition, start)

    def _take_back(self, failed: Set[PartitionKey]) -> None:
        """After a failed sync nobody may be told that its records are safe.

        What was appended while it ran may lie in the same files, which no later flush will find dirty; what
        else such a reply tells still has to wait for the next one.
        """
        self._flushing = [_taken_back(one, failed) for one in self._flushing]
        self._held = [_taken_back(one, failed) for one in self._held]

    def _release(self) -> None:
        for (parked, chunks), _ in self._flushing:
            if not parked.cancelled:
                self.state.finished.append((parked, chunks))
        self._flushing = []

    def close(self) -> list[KafkaStorageError]:
        """Answer what waits, make everything durable and release the files; returns what could not be."""
        state = self.state
        state.wake(state.purgatory.overdue(math.inf))
        failures = state.logs.close(clean=True)
        state.metadata.close()
        return failures


def _taken_back(held: Held, failed: Set[PartitionKey]) -> Held:
    """A Produce answers KAFKA_STORAGE_ERROR for the partitions concerned; otherwise the connection ends.

    What became of a commit or of a transaction's end is then as unknown to the client as after a crash, and
    it asks again.
    """
    places = [result_at for key, result_at in held.touched if key in failed]
    if -1 in places:
        return Held(Finished(held.finished.parked, []), ())
    for result_at in places:
        produce.take_back(held.finished.chunks[0], result_at)
    return held


def _flush_what_was_found(state: BrokerState, report: OpenReport) -> None:
    """Make durable what a killed process left in the page cache: before that, nobody may read it."""
    job = state.logs.begin_flush(checkpoint=True)
    if job is not None:
        job.run()
        state.logs.end_flush(job)
        report.offline.update({key: f"a sync failed: {error}" for key, error in job.failures.items()})


def _uuid(raw: bytes) -> str:
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
