"""A worker's memory in Kafka: the three topics, what they say, and who writes them.

Writes return when they are durable and this worker has read them back, so whoever writes sees what it wrote.
Statuses are written in the background, in order, several at a time.

Source: Kafka `storage.{KafkaConfigBackingStore, KafkaOffsetBackingStore, KafkaStatusBackingStore}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tidelock.client.transactions import Transactions
from tidelock.client.wire import Cluster
from tidelock.connect.distributed.config_state import Changed, ConfigState
from tidelock.connect.distributed.group_protocol import TaskId
from tidelock.connect.distributed.settings import DistributedSettings
from tidelock.connect.distributed.status_state import Status, StatusState, status_record
from tidelock.connect.distributed.topic_log import TopicLog, TopicSpec
from tidelock.connect.runtime.offset_state import Keyed, OffsetState
from tidelock.connect.runtime.stores import OffsetStore, SourceOffset, partition_key
from tidelock.errors import TidelockError
from tidelock.runtime import Clock

log = logging.getLogger(__name__)

FLUSH_TIMEOUT = 5.0


class Backing:
    """The topics and their states.

    Args:
        settings: name the topics.
        cluster: the brokers.
        clock: of the machine.
        on_change: told of each change of the config topic, in order, after the start.
    """

    def __init__(
        self,
        settings: DistributedSettings,
        cluster: Cluster,
        clock: Clock,
        on_change: Callable[[Changed], None],
    ) -> None:
        self.config = ConfigState()
        self.status = StatusState()
        self.offsets = OffsetState()
        self._on_change = on_change
        self._cluster, self._clock = cluster, clock
        self._looking = asyncio.Lock()
        self._config_log = TopicLog(
            cluster, settings.topic("config"), on_record=self._take_config, clock=clock
        )
        self._status_log = TopicLog(
            cluster,
            settings.topic("status"),
            on_record=lambda offset, key, value: self.status.apply(key, value),
            clock=clock,
        )
        self._offset_log = TopicLog(
            cluster,
            settings.topic("offset"),
            on_record=lambda offset, key, value: self.offsets.apply(key, value),
            clock=clock,
        )
        self.own: dict[str, OwnOffsets] = {}
        """Topics of offsets that connectors have for themselves, while somebody looks into them."""
        self._is_started = False
        self._unwritten: asyncio.Queue[Keyed] = asyncio.Queue()
        self._writing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read all three topics; they are made if they are absent."""
        await asyncio.gather(*(one.start() for one in self._logs))
        self._is_started = True
        self._writing = asyncio.create_task(self._write_statuses(), name="statuses")

    async def stop(self) -> None:
        """Write what statuses are left, within 5 s, and stop following."""
        writing, self._writing = self._writing, None
        if writing is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_TIMEOUT):
                    await self._unwritten.join()
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writing
        await asyncio.gather(*(one.stop() for one in self._logs))

    async def write_config(self, records: Sequence[Keyed], within: Transactions | None = None) -> None:
        """Write to the config topic, perhaps in a transaction, and return when this worker has read it back.

        Raises:
            ProducerFenced: somebody else has the transactional id; nothing was written.
            BrokerUnreachable, KafkaError: see TopicLog.send.
        """
        if within is not None:
            await self._config_log.send_within(within, records)
            return
        await self._config_log.send(records)
        await self._config_log.read_to_end()

    async def read_config(self) -> None:
        """Read the config topic to its present end."""
        await self._config_log.read_to_end()

    async def read_offsets(self) -> None:
        """Read the offset topic to its present end."""
        await self._offset_log.read_to_end()

    async def write_offsets(self, connector: str, offsets: Iterable[SourceOffset]) -> None:
        """Store source offsets; None forgets a partition's."""
        given = list(offsets)
        await self._offset_log.send(self.offsets.records(connector, given))
        await self._offset_log.read_to_end()
        if connector in self.own:  # second: what is forgotten there must not be found here again
            await self.own[connector].write(connector, given)

    @contextlib.asynccontextmanager
    async def looking_into(self, connector: str, topic: str | None) -> AsyncIterator[None]:
        """Have the offsets in a connector's own topic count, for as long as this lasts.

        Args:
            connector: its name.
            topic: None where it has none; otherwise its offsets come before those of the worker's topic.

        Raises:
            BrokerUnreachable, KafkaError: it cannot be read.
        """
        if topic is None:
            yield
            return
        async with self._looking:
            own = self.own[connector] = OwnOffsets(
                self._cluster, replace(self._offset_log.spec, name=topic), self._clock
            )
            try:
                await own.log.start()
                yield
            finally:
                del self.own[connector]
                await own.log.stop()

    def tell(self, of: str | TaskId, status: Status, *, safely: bool = False) -> None:
        """Have a status written; `safely` not over the words of a newer generation."""
        known: Mapping[Any, Status] = self.status.tasks if isinstance(of, TaskId) else self.status.connectors
        current = known.get(of)
        if safely and current is not None and not current.may_be_replaced_by(status):
            return
        self.put_status(status_record(of, status))

    def put_status(self, record: Keyed) -> None:
        """Have a record written to the status topic; it counts here at once."""
        self.status.apply(*record)
        self._unwritten.put_nowait(record)

    async def _write_statuses(self) -> None:
        while True:
            records = [await self._unwritten.get()]
            while not self._unwritten.empty():
                records.append(self._unwritten.get_nowait())
            try:
                await self._status_log.send(records)
            except TidelockError as error:
                log.error("%d states could not be written: %s", len(records), error)
            for _ in records:
                self._unwritten.task_done()

    def _take_config(self, offset: int, key: bytes | None, value: bytes | None) -> None:
        changed = self.config.apply(offset, key, value)
        if self._is_started:
            self._on_change(changed)

    @property
    def _logs(self) -> tuple[TopicLog, ...]:
        return self._config_log, self._status_log, self._offset_log


class OwnOffsets:
    """A topic of offsets that one connector has for itself, and what it says.

    Args:
        cluster: the brokers.
        spec: of the topic.
        clock: see TopicLog.
    """

    def __init__(self, cluster: Cluster, spec: TopicSpec, clock: Clock) -> None:
        self.state = OffsetState()
        self.log = TopicLog(
            cluster,
            spec,
            on_record=lambda offset, key, value: self.state.apply(key, value),
            clock=clock,
        )

    async def write(self, connector: str, offsets: Sequence[SourceOffset]) -> None:
        """Store source offsets; None forgets a partition's."""
        await self.log.send(self.state.records(connector, offsets))
        await self.log.read_to_end()


class KafkaOffsetStore(OffsetStore):
    """Source offsets in the offset topic; `write` is called in threads other than the loop's.

    Args:
        backing: has the topic.
    """

    def __init__(self, backing: Backing) -> None:
        super().__init__(None)
        self._backing = backing
        self.loop: asyncio.AbstractEventLoop | None = None

    def read(self, connector: str, partitions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any] | None]:
        """See OffsetStore."""
        return self._backing.offsets.read(connector, partitions)

    def all_of(self, connector: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """See OffsetStore."""
        worker_s, own = self._backing.offsets.all_of(connector), self._backing.own.get(connector)
        if own is None:
            return worker_s
        known = {partition_key(partition): (partition, offset) for partition, offset in worker_s}
        known |= {partition_key(one): (one, offset) for one, offset in own.state.all_of(connector)}
        return list(known.values())

    def write(self, connector: str, offsets: Iterable[SourceOffset]) -> None:
        """See OffsetStore.

        Raises:
            BrokerUnreachable, KafkaError: they are not stored.
        """
        assert self.loop is not None
        writing = self._backing.write_offsets(connector, list(offsets))
        asyncio.run_coroutine_threadsafe(writing, self.loop).result()
