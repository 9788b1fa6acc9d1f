"""The asyncio shell of a broker: listens, ticks, flushes, starts and stops. The node decides, this moves.

One event loop owns everything; of two other threads one syncs files, one the log of metadata. `Broker` is a
Service: embedded in an application's loop or run in a process of its own (`serve`). It accepts a socket that
somebody else has bound, so that `tidelock up` can check all ports before it starts anything, and port 0, for
which the advertised address is the real one.

Stopping: no new connections, no further requests; parked fetches are answered with what there is;
everything is made durable and the folder is marked as cleanly left.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tidelock.broker.changes import Job
from tidelock.broker.connection import SHARED_BYTES, Connection
from tidelock.broker.disk import FolderLock, RealFiles
from tidelock.broker.instant import Instant
from tidelock.broker.listeners import Listener, told
from tidelock.broker.log import Cleaning, FlushJob
from tidelock.broker.node import Node
from tidelock.broker.settings import BrokerSettings
from tidelock.broker.sockets import Sockets, Transport
from tidelock.errors import TidelockError, UsageError
from tidelock.protocol.error_codes import KafkaStorageError
from tidelock.runtime import LOOPBACK, Clock, SystemClock, bind_loopback

log = logging.getLogger(__name__)

# Idle connections are looked for, and their buffers given back, this often; seconds.
HOUSEKEEPING_INTERVAL = 10.0
# How long a stop waits for replies to leave; seconds.
STOP_GRACE = 2.0


class DataFolderError(TidelockError):
    """The data folder cannot be read or written at the start: no space, no permission, a broken disk."""

    code = "TID-255"


class Broker:
    """A single-node broker as a Service.

    Args:
        settings: see BrokerSettings.
        sock: a bound, listening socket instead of `listeners`.
        clock: both clocks.
        new_bytes: n random bytes.

    Attributes:
        node: the broker's state; valid between start and stop.
        connections: the clients there are.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        sock: socket.socket | None = None,
        clock: Clock | None = None,
        new_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.settings = settings
        self.node: Node
        self.max_request_bytes = settings.socket_request_max_bytes
        self.shared_view = memoryview(bytearray(0))
        self._sock = sock
        self._clock = clock or SystemClock()
        self._new_bytes = new_bytes
        self._files: RealFiles | None = None
        self._lock: FolderLock | None = None
        self._flusher: ThreadPoolExecutor | None = None
        self._changer: ThreadPoolExecutor | None = None
        self._change_at_hand: Future[None] | None = None
        self._is_stopping = False
        self._sockets: Sockets | None = None
        self.connections: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._tasks: set[asyncio.Task[None]] = set()
        self._flush_at = 0.0
        self._housekeeping_at = 0.0
        self._clean_at = float("inf")
        self._cleaning: asyncio.Task[None] | None = None
        self._endpoint = ("", 0)
        self._is_open = False
        self._all_gone = asyncio.Event()

    # -- service ------------------------------------------------------------------------------------

    @property
    def bootstrap(self) -> str:
        """What clients take as `bootstrap.servers`, e.g. "127.0.0.1:9092"."""
        host, port = self._endpoint
        return f"{host}:{port}"

    async def start(self) -> None:
        """Read the data folder back and accept clients.

        Raises:
            ConflictError: the port or the data folder is in use.
            DataFolderError: the disk refuses.
            TidelockError: what is in the data folder cannot be read.
        """
        folder = Path(self.settings.log_dirs)
        ours, *others = _listeners(self.settings)
        self._sock = sock = self._sock or bind_loopback(ours.port, host=ours.host or LOOPBACK, what="broker")
        try:
            self._lock = FolderLock(folder)
            self._files = RealFiles(folder)
            self.node = Node.open(self.settings, self._files, self.now(), self._new_bytes)
        except OSError as error:
            raise DataFolderError(
                f"the data folder cannot be used: {error.strerror or error}",
                where=str(error.filename or folder),
                hint=f"look at its disk and its owner: df {folder}; ls -ld {folder}",
            ) from error
        self._is_open, self._is_stopping = True, False
        self._flusher = ThreadPoolExecutor(1, "tidelock-flush")
        self._changer = ThreadPoolExecutor(1, "tidelock-change")
        for pool in (self._flusher, self._changer):
            pool.submit(int)  # has its thread from now on, whoever uses up the process's others
        self.node.changes.wait_for = self._wait_for_change
        self.node.state.endpoint = self._endpoint = _told(self.settings, sock)
        # What DescribeConfigs tells: the addresses that really hold, not port 0 or nothing.
        listened = "PLAINTEXT://{}:{}".format(*sock.getsockname())
        self.node.state.settings = dataclasses.replace(
            self.settings, listeners=listened, advertised_listeners=f"PLAINTEXT://{self.bootstrap}"
        )
        self.shared_view = memoryview(bytearray(SHARED_BYTES))
        self._flush_at = self._housekeeping_at = self._clock.monotonic()
        if self.settings.log_cleaner_enable:
            self._clean_at = self._flush_at + self.settings.log_cleaner_backoff_ms / 1000
        self._sockets = Sockets(sock, self._connected, self.after_input, self.now)
        self._sockets.start()
        self._schedule()
        self._report()
        for one in others:
            log.warning("listener %s is not served, only %s is", one.name, ours.name)
        log.info("broker started", extra={"bootstrap": self.bootstrap, "folder": self.settings.log_dirs})

    def _report(self) -> None:
        """Tell the operator what the start found; nothing after a clean stop."""
        report = self.node.report
        for (topic, index), reason in report.offline.items():
            log.error("partition %s-%d is offline: %s", topic, index, reason)
        for (topic, index), reason in report.truncations.items():
            log.warning("partition %s-%d was cut after an unclean stop: %s", topic, index, reason)

        for (topic, index), folder in report.strays.items():
            log.warning("partition %s-%d belongs to no topic: it is kept in %s", topic, index, folder)

    async def stop(self) -> None:
        """Finish what is in flight, make it durable and leave; safe to call after a failed start."""
        self._is_stopping = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._sockets is not None:
            self._sockets.stop_listening()
        elif self._sock is not None:
            self._sock.close()
        if self._cleaning is not None:
            self._cleaning.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._is_open:
            self._is_open = False
            for failure in self.node.close():
                log.error("a log could not be closed cleanly: %s", failure)
            self._deliver()
            log.info("broker stopped", extra={"bootstrap": self.bootstrap})
        await self._disconnect_all()
        self._release()

    def _release(self) -> None:
        if self._sockets is not None:
            self._sockets.close()
            self._sockets = None
        if self._flusher is not None:
            self._flusher.shutdown()
            self._flusher = None
        if self._changer is not None:
            self._changer.shutdown()
            self._changer = None
        if self._files is not None:
            self._files.close()
            self._files = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    async def _disconnect_all(self) -> None:
        for connection in list(self.connections):
            connection.close()
        if self.connections:
            try:
                await asyncio.wait_for(self._all_gone.wait(), STOP_GRACE)
            except TimeoutError:
                for connection in list(self.connections):
                    connection.abort()

    # -- connections --------------------------------------------------------------------------------

    def _connected(self, transport: Transport, host: str) -> Connection:
        """A client has connected; one too many is sent away."""
        connection = Connection(self, transport, host)
        self.connections.add(connection)
        self._all_gone.clear()
        if len(self.connections) > self.settings.max_connections:
            connection.close()
        return connection

    def defer(self, connection: Connection) -> None:
        """A client has sent more requests than others should wait for."""
        if self._sockets is not None and connection.transport is not None:
            self._sockets.defer(connection.transport, connection)

    def disconnected(self, connection: Connection) -> None:
        """A client is gone."""
        self.connections.discard(connection)
        if not self.connections:
            self._all_gone.set()

    # -- time ---------------------------------------------------------------------------------------

    def now(self) -> Instant:
        """Read both clocks."""
        return Instant(self._clock.monotonic(), int(self._clock.wall() * 1000))

    def after_input(self) -> None:
        """Requests were handled: deliver what they have finished, flush what must be, mind the timer."""
        node = self.node
        self._settle()
        if node.has_new_deadlines:
            node.has_new_deadlines = False
            if node.wake_at() < self._timer_at:
                self._schedule()

    def _settle(self) -> None:
        """Deliver and flush until nothing is left to do: a reply lets its connection go on."""
        node = self.node
        while True:
            if node.state.finished:
                self._deliver()
            if node.flush_is_due:
                self._start_flush()
            self._start_change()
            if not node.state.finished:
                return

    def _deliver(self) -> None:
        """Hand replies to their connections; each may go on with requests that finish others."""
        while finished := self.node.take_finished():
            for parked, chunks in finished:
                owner = parked.owner
                if isinstance(owner, Connection) and owner.parked is parked and owner.transport is not None:
                    owner.transport.guarded(owner.finished, chunks)

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        now = self._clock.monotonic()
        self._timer_at = min(self.node.wake_at(), self._flush_at, self._housekeeping_at, self._clean_at)
        delay = max(0.0, self._timer_at - now)
        self._timer = asyncio.get_running_loop().call_later(delay, self._tick)

    def _tick(self) -> None:
        now = self.now()
        self.node.tick(now)
        for line in self.node.state.logs.troubles.due(now.monotonic):
            log.error("%s", line)
        if self._flush_at <= now.monotonic:
            self._flush_at = now.monotonic + self.node.flush_interval
            self._start_flush()
        self._settle()
        if self._housekeeping_at <= now.monotonic:
            self._housekeeping_at = now.monotonic + HOUSEKEEPING_INTERVAL
            self._housekeep(now)
        if self._clean_at <= now.monotonic:
            self._clean_at = now.monotonic + self.settings.log_cleaner_backoff_ms / 1000
            self._start_cleaning(now)
        self._timer = None
        self._schedule()

    def _housekeep(self, now: Instant) -> None:
        limit = self.settings.connections_max_idle_ms
        idle_since = now.monotonic - limit / 1000 if limit >= 0 else float("-inf")
        for connection in self.connections:
            connection.housekeep(idle_since)

    # -- durability ---------------------------------------------------------------------------------

    def _start_flush(self) -> None:
        job = self.node.begin_flush()
        if job is None:
            return
        task = asyncio.get_running_loop().create_task(self._flush(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _flush(self, job: FlushJob) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._flusher, job.run)
        except Exception as error:  # whatever it is: a flush that never ended would hold all replies for ever
            log.exception("a flush ended unexpectedly")
            job.fail(error)
        self.node.end_flush(job)
        self.after_input()

    # -- changes --------------------------------------------------------------------------------------

    def _start_change(self) -> None:
        """Let the other thread run the job that is due; none any more once the broker is stopping."""
        job = None if self._is_stopping else self.node.changes.begin()
        if job is None or self._changer is None:
            return
        self._change_at_hand = self._changer.submit(job.run)
        task = asyncio.get_running_loop().create_task(self._change(job, self._change_at_hand))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _change(self, job: Job, run: Future[None]) -> None:
        try:
            await asyncio.wrap_future(run)
        except Exception as error:  # whatever it is: a change that never ended would hold up all others
            log.exception("a change ended unexpectedly")
            job.fail(error)
        self.node.end_change(job)
        self.after_input()

    def _wait_for_change(self, job: Job) -> None:
        """Wait for the job that is out; its task finds it ended and changes nothing."""
        error = self._change_at_hand.exception() if self._change_at_hand is not None else None
        if isinstance(error, Exception):
            job.fail(error)

    # -- compaction ---------------------------------------------------------------------------------

    def _start_cleaning(self, now: Instant) -> None:
        cleaning = self.node.state.logs.cleaner.begin(
            now.wall_ms, self.settings.log_cleaner_dedupe_buffer_size
        )
        if cleaning is not None:
            self._cleaning = asyncio.get_running_loop().create_task(self._clean(cleaning))
            self._tasks.add(self._cleaning)
            self._cleaning.add_done_callback(self._tasks.discard)

    async def _clean(self, cleaning: Cleaning) -> None:
        """One pass: built in another process, synced in a thread, taken over here."""
        from tidelock.broker.cleaning import run_cleaning  # what it imports is a tenth of a start's time

        cleaner = self.node.state.logs.cleaner
        in_thread = asyncio.get_running_loop().run_in_executor
        job = cleaning.job
        try:
            result = await run_cleaning(self.settings.log_dirs, job)
            if not cleaner.commit(cleaning, result):
                return
            await in_thread(None, cleaner.sync, cleaning)
            if cleaner.finish(cleaning):
                await in_thread(None, cleaner.write_down, cleaner.marks())
        except asyncio.CancelledError:
            cleaner.give_up(cleaning)
            raise
        except (OSError, RuntimeError, KafkaStorageError) as error:  # RuntimeError: no thread to be had
            cleaner.give_up(cleaning)
            log.warning("%s-%d: %s", job.topic, job.index, error)
            return
        log.info(
            "%s-%d compacted: %d bytes of %d stay",
            job.topic,
            job.index,
            result.bytes_after,
            result.bytes_before,
        )


def _listeners(settings: BrokerSettings) -> list[Listener]:
    """Return the listeners for clients, ours first; settings that were parsed always have one."""
    try:
        return settings.client_listeners()
    except ValueError as error:
        raise UsageError(f"listeners: {error}") from None


def _told(settings: BrokerSettings, sock: socket.socket) -> tuple[str, int]:
    """What clients are told: `advertised.listeners`, else the address that is listened on.

    A port that both keys name is no forwarded one: where the socket has another, that is the one to tell.
    """
    ours = _listeners(settings)[0]
    host, port = sock.getsockname()[:2]
    if settings.advertised_listeners:
        try:
            entry = told(settings.advertised_listeners, ours.name)
        except ValueError as error:
            raise UsageError(f"advertised.listeners: {error}") from None
        return entry.host or LOOPBACK, port if entry.port in (0, ours.port) else entry.port
    if ours.host == "localhost" and host in (LOOPBACK, "::1"):
        return ours.host, port
    return (LOOPBACK if host == "0.0.0.0" else host), port
