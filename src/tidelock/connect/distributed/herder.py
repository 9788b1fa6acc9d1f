"""The herder of one of several workers: keeps its place in the group, runs what it is given, answers REST.

One loop: join when the group or the config topic wants it, catch up with the leader, start and stop what the
round decided, follow changes of configurations. The leader also writes what the others may not:
configurations, task sets, the session key. Nothing runs here that the group may have given to somebody else:
whoever is silent for a session, or is unknown to the group, stops everything first.

Source: Kafka `runtime.distributed.DistributedHerder`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Sequence
from urllib.parse import quote

from tidelock.client.errors import BrokerUnreachable
from tidelock.client.group import LOST, GroupMember, GroupTimes
from tidelock.client.wire import Cluster
from tidelock.connect.distributed import session_keys
from tidelock.connect.distributed.config_state import (
    Changed,
    SessionKey,
    session_key_record,
    task_records,
)
from tidelock.connect.distributed.group_protocol import (
    NO_ERROR,
    PROTOCOL_TYPE,
    SESSIONED,
    ConnectorsAndTasks,
    TaskId,
)
from tidelock.connect.distributed.leading import LeaderReplaced, Leading
from tidelock.connect.distributed.local_work import LocalWork
from tidelock.connect.distributed.membership import Membership, Snapshot
from tidelock.connect.distributed.peers import PeerUnreachable, ask
from tidelock.connect.distributed.settings import VERSIONS, DistributedSettings
from tidelock.connect.distributed.status_state import status_record
from tidelock.connect.runtime.kafka import security_of
from tidelock.connect.runtime.loggers import level_of
from tidelock.connect.runtime.offset_state import Keyed
from tidelock.connect.runtime.plugins import Plugins
from tidelock.errors import ConflictError, TidelockError
from tidelock.protocol.error_codes import KafkaError, RebalanceInProgress
from tidelock.runtime import Clock

log = logging.getLogger(__name__)

RETRY_PAUSE, SUBMIT_PAUSE = 0.1, 0.25
PATIENCE = 10.0
"""Seconds for which a request waits for the end of a rebalance."""
KEY_BYTES = 32
CONFIRM = "confirm"


class RebalancePending(ConflictError):
    """The group is being divided anew; whoever asked may ask again: 409."""

    code = "TID-544"
    status = 409
    retriable = True


class TaskMoved(ConflictError):
    """A task that was about to begin runs elsewhere now, or not at all; it ends without having written."""

    code = "TID-547"


class HerderLoop(LocalWork):
    """The loop; requests are in requests.py.

    Args:
        settings: the worker's.
        url: of its REST interface, without a slash at the end.
        clock: of the machine.
        plugins: what can be named.
    """

    settings: DistributedSettings

    def __init__(
        self, settings: DistributedSettings, url: str, *, clock: Clock, plugins: Plugins | None = None
    ) -> None:
        worker_id = url.partition("://")[2]
        name = settings.client_id or f"connect-{worker_id}"
        security = security_of(settings.originals)
        self._cluster = Cluster(settings.bootstrap_servers, name, security=security)
        super().__init__(settings, worker_id, cluster=self._cluster, clock=clock, plugins=plugins)
        times = GroupTimes(
            settings.session_timeout_ms / 1000,
            settings.rebalance_timeout_ms / 1000,
            settings.heartbeat_interval_ms / 1000,
        )
        self._member = GroupMember(self._cluster, settings.group_id, PROTOCOL_TYPE, times=times, clock=clock)
        self._session = times.session
        self.membership = Membership(
            self._member,
            url=f"{url}/",
            version=VERSIONS[settings.connect_protocol],
            max_delay=settings.scheduled_rebalance_max_delay_ms / 1000,
            snapshot=self._snapshot,
            clock=clock,
        )
        self.leading = Leading(
            self.backing,
            self._cluster,
            settings.group_id,
            clock,
            transactional=settings.exactly_once_source_support != "disabled",
        )
        self._must_join = True
        self._has_lost = False
        self._is_resolved = False
        self._rejoin_at: float | None = None
        self._changed: list[Changed] = []
        self._wake = asyncio.Event()
        self._stable = asyncio.Event()
        self._ended: asyncio.Task[None] | None = None
        self._looping: asyncio.Task[None] | None = None

    @property
    def generation(self) -> int:
        """Of the group's last round that came to its end."""
        return self.membership.generation

    async def start(self) -> None:
        """Read the topics, then take part in the group; returns before the first round ends."""
        self._loop = self._store.loop = asyncio.get_running_loop()
        await self.backing.start()
        self._looping = asyncio.create_task(self._run(), name="herder")

    async def stop(self) -> None:
        """Stop everything gracefully, leave the group, and write the last states."""
        await _cancel(self._looping)
        await _cancel(self._ended)
        for job in list(self._jobs):
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        await self._stop_work(self.running)
        await self._member.leave()
        await self.backing.stop()
        await self._cluster.close()
        await self._fork_server.stop()

    # The loop

    async def _run(self) -> None:
        while True:
            try:
                await self._tick()
            except TidelockError as error:
                log.warning("the worker goes on after: %s", error)
                await asyncio.sleep(RETRY_PAUSE)
            except Exception:  # the loop is this worker's supervisor: it must not end
                log.exception("the worker goes on after a fault of its own")
                await asyncio.sleep(RETRY_PAUSE)

    async def _tick(self) -> None:
        if self._has_lost:
            await self._lose()
        if self._must_join:
            await self._join()
        elif not self._is_resolved:
            await self._resolve()
        elif self._changed:
            await self._follow_changes()
        else:
            self._stable.set()
            await self._lead()
            await self._pause()

    async def _join(self) -> None:
        self._must_join = self._is_resolved = False
        self._stable.clear()
        await _cancel(self._ended)
        await self._stop_changed_tasks()
        try:
            assignment = await self.membership.join(self._stop_work)
        except LOST:
            self._has_lost = self._must_join = True
            return
        except TidelockError as error:
            self._must_join = True
            if not error.retriable and not isinstance(error, RebalanceInProgress):
                raise
            silent = self._clock.monotonic() - self._member.heard_at
            self._has_lost = bool(self.running) and silent >= self._session
            await asyncio.sleep(RETRY_PAUSE)
            return
        self._ended = asyncio.create_task(self._watch(), name="membership")
        delay = assignment.delay / 1000
        self._rejoin_at = self._clock.monotonic() + delay if delay else None
        if self.membership.is_leader:
            self._forget_deleted()
        else:
            self.leading.resign()

    async def _watch(self) -> None:
        """Wait until the group wants another round, and say that the worker has to join again."""
        error = await self._member.ended()
        self._must_join = True
        self._has_lost = not isinstance(error, RebalanceInProgress)
        self._stable.clear()
        self._wake.set()

    async def _lose(self) -> None:
        """The group has given this worker's work to others, or is about to."""
        self._has_lost, self._must_join, self._is_resolved = False, True, False
        self._stable.clear()
        if self.running:
            log.warning("the worker is no member of its group any more and stops its work")
        self.leading.resign()
        await self._stop_work(self.running)
        self.membership.forget()

    async def _resolve(self) -> None:
        """Catch up with the leader's configuration, then run what this worker was given."""
        assignment = self.membership.assignment
        assert assignment is not None
        offset = self.backing.config.offset
        if assignment.error != NO_ERROR or offset < assignment.offset:
            try:
                async with asyncio.timeout(self.settings.worker_sync_timeout_ms / 1000):
                    await self.backing.read_config()
            except TimeoutError:
                log.warning("the config topic cannot be read in time; the worker joins again")
        known = self.backing.config
        if assignment.error != NO_ERROR or not known.divided_at <= assignment.offset <= known.offset:
            self._must_join = True
            return
        await self._stop_work(self.running - assignment.assigned)
        await self._start_work(assignment.assigned - self.running)
        self._is_resolved = True
        if assignment.revoked:
            self._must_join = True

    async def _pause(self) -> None:
        now = self._clock.monotonic()
        timeout = None if self._rejoin_at is None else max(0.0, self._rejoin_at - now)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        self._wake.clear()
        if self._rejoin_at is not None and self._clock.monotonic() >= self._rejoin_at:
            self._rejoin_at, self._must_join = None, True
            self._stable.clear()

    async def _snapshot(self, at_least: int) -> Snapshot:
        if self.backing.config.offset < at_least:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.settings.worker_sync_timeout_ms / 1000):
                    await self.backing.read_config()
        return Snapshot(self.backing.config.offset, self.backing.config.configured())

    # Changes of the config topic

    def _on_change(self, changed: Changed) -> None:
        if changed.logger is not None:
            self._set_log_level(*changed.logger)
        if changed.removed is not None or changed.tasks is not None or changed.is_new:
            self._must_join = True
            self._stable.clear()
        self._changed.append(changed)
        self._wake.set()

    def _set_log_level(self, name: str, level: str) -> None:
        try:
            self.set_log_level(name, level_of(level))
        except TidelockError as error:
            log.error("the level of logger %s is left as it is: %s", name, error.what)

    async def _stop_changed_tasks(self) -> None:
        """Stop tasks whose set is another now; the round starts them again, here or elsewhere."""
        names = {one.tasks for one in self._changed if one.tasks is not None}
        self._changed = [one for one in self._changed if one.tasks is None and one.removed is None]
        changed = frozenset(task for task in self.running.tasks if task.connector in names)
        if changed:
            await self._stop_work(ConnectorsAndTasks(tasks=changed))

    async def _follow_changes(self) -> None:
        changes, self._changed = self._changed, []
        for changed in changes:
            if changed.connector in self.running.connectors and not changed.is_new:
                self._spawn(self._start_connector(str(changed.connector)))
            if changed.target is not None:
                self._spawn(self._change_target(changed.target))
            if changed.restart is not None:
                self._spawn(self._restart_here(changed.restart))

    # The leader's duties

    async def _lead(self) -> None:
        """Claim the leader's writes; make a session key when one is due, and come back for the next."""
        if not self.membership.is_leader:
            return
        await self.leading.claim()
        if self.membership.version != SESSIONED:
            return
        now = int(self._clock.wall() * 1000)
        ttl = self.settings.inter_worker_key_ttl_ms
        if session_keys.is_due(self.backing.config.session_key, now, ttl):
            algorithm = self.settings.inter_worker_key_generation_algorithm
            made = SessionKey(os.urandom(KEY_BYTES), algorithm, now)
            await self._write_as_leader([session_key_record(made)])
        if ttl:
            self._loop.call_later(ttl / 1000, self._wake.set)

    def _forget_deleted(self) -> None:
        """Remove the states of what is not configured any more."""
        known = self.backing.config
        for name in [one for one in self.backing.status.connectors if one not in known.connectors]:
            self.backing.put_status(status_record(name, None))
        for task in list(self.backing.status.tasks):
            if task.connector not in known.connectors or task.task >= known.count(task.connector):
                self.backing.put_status(status_record(task, None))

    async def _submit_tasks(self, name: str, configs: list[dict[str, str]]) -> None:
        """Have a task set written, if it is another; by this worker or by the leader, until it is done."""
        while name in self.running.connectors and not self._is_written(name, configs):
            if self.membership.is_leader:
                with contextlib.suppress(LeaderReplaced):
                    await self._write_as_leader(task_records(name, configs))
                    return
            elif await self._asked_leader("POST", name, "tasks", json.dumps(configs).encode()):
                return
            await asyncio.sleep(SUBMIT_PAUSE)

    async def _write_as_leader(self, records: Sequence[Keyed]) -> None:
        """Write to the config topic; a leader that finds itself replaced joins its group again.

        Raises:
            LeaderReplaced: nothing was written.
            BrokerUnreachable, KafkaError: it may be written or not.
        """
        try:
            await self.leading.write(records)
        except LeaderReplaced:
            self._must_join = True
            self._stable.clear()
            self._wake.set()
            raise

    async def _asked_leader(self, method: str, name: str, what: str, body: bytes = b"") -> bool:
        """Send the leader a signed request for a connector; returns whether it did what was asked."""
        url, key = self.membership.leader_url, self.backing.config.session_key
        if url is None:
            return False
        algorithm = self.settings.inter_worker_signature_algorithm
        headers = session_keys.signed(key, body, algorithm) if key is not None else {}
        try:
            path = f"/connectors/{quote(name, safe='')}/{what}?forward=true"
            answer = await ask(method, url, path, body, headers)
        except PeerUnreachable as error:
            log.debug("the leader does not take the %s of %s: %s", what, name, error.what)
            return False
        if answer.status >= 300:
            log.debug("the leader does not take the %s of %s: %s", what, name, answer.body)
        return answer.status < 300

    def _is_written(self, name: str, configs: list[dict[str, str]]) -> bool:
        known = self.backing.config
        return name not in known.inconsistent and known.has_tasks(name) and known.tasks(name) == configs

    # What exactly-once tasks wait for

    async def _give_leave(self, name: str, number: int, step: str) -> bool:
        """See StandaloneHerder; for as long as the task is this worker's.

        Raises:
            TaskMoved: the group has given it to another worker, or its connector has other tasks now.
        """
        task = TaskId(name, number)
        started_from = self._sets.get(task)
        while True:
            self._require(task, started_from)
            with contextlib.suppress(TimeoutError, BrokerUnreachable, KafkaError, LeaderReplaced):
                if not self._is_silent() and await self._may_begin(name, step):
                    self._require(task, started_from)
                    return True
            await asyncio.sleep(SUBMIT_PAUSE)

    async def _may_begin(self, name: str, step: str) -> bool:
        async with asyncio.timeout(self.settings.worker_sync_timeout_ms / 1000):
            await self.backing.read_config()
        if step == CONFIRM or name not in self.backing.config.unfenced:
            return True
        if not self.membership.is_leader:
            return await self._asked_leader("PUT", name, "fence")
        await self.leading.fence(name)
        return True

    def _is_silent(self) -> bool:
        """Whether the group may have done without this worker for a while and it does not know."""
        return self._clock.monotonic() - self._member.heard_at > self._session / 2

    def _require(self, task: TaskId, started_from: int | None) -> None:
        present = self.backing.config.generations.get(task.connector, 0)
        if task not in self.running.tasks or self._has_lost or present != started_from:
            raise TaskMoved(
                "the task is not this worker's any more, or its connector has other tasks now",
                where=f"task {task}",
            )

    # Who answers

    async def settled(self) -> None:
        """Return when no rebalance is pending.

        Raises:
            RebalancePending: not within 10 s.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                while self._must_join or not self._is_resolved:
                    await self._stable.wait()
                    await asyncio.sleep(0)
        except TimeoutError:
            raise RebalancePending(
                "Request cannot be completed because a rebalance is expected", hint="ask again in a moment"
            ) from None

    def leader(self) -> str | None:
        """Return where the leader is; None for here.

        Raises:
            RebalancePending: there is none now.
        """
        if self.membership.is_leader:
            return None
        if self.membership.leader_url is None:
            raise RebalancePending("there is no leader now", hint="ask again in a moment")
        return self.membership.leader_url

    def owner(self, task: TaskId) -> str | None:
        """Return where a task runs, or who knows it; None for here."""
        if task in self.running.tasks:
            return None
        for one in self.membership.owners.values():
            if task in one.work.tasks:
                return one.url
        return self.leader()


async def _cancel(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
