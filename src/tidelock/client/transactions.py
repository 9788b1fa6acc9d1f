"""Transactions and fencing on our own wire, for processes that hold no librdkafka client.

    writer = Transactions(cluster, "connect-cluster-orders", clock=clock)
    await writer.init()                            # whoever had the id is fenced, what it left open is undone
    await writer.begin("connect-configs", [0])
    ...                                            # produce batches stamped with writer.stamp(...)
    await writer.commit()

Every call waits for a coordinator that moves or still ends an earlier transaction, and may be made again
after BrokerUnreachable. Once somebody else has initialised the id, every call raises ProducerFenced.

Source: KIP-98; Kafka `TransactionManager`, `org.apache.kafka.clients.admin.internals.FenceProducersHandler`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from tidelock.client.errors import BrokerUnreachable
from tidelock.client.wire import TRANSACTION, Cluster
from tidelock.errors import TidelockError
from tidelock.protocol.error_codes import ErrorCode, InvalidProducerEpoch, ProducerFenced, error_for
from tidelock.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopic,
)
from tidelock.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse
from tidelock.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from tidelock.protocol.primitives import Message
from tidelock.protocol.records import NO_PRODUCER, Producer
from tidelock.runtime import Clock

INIT_VERSION, ADD_VERSION, END_VERSION = 1, 1, 1
RETRY_PAUSE, PATIENCE = 0.05, 30.0
TIMEOUT_MS = 60_000

Answer = TypeVar("Answer", bound=Message)


class Transactions:
    """One transactional id and what its holder does with it.

    Args:
        cluster: the brokers.
        transactional_id: whose holder this one becomes.
        clock: monotonic time, for patience.
        timeout_ms: after which the coordinator undoes what is open.
    """

    def __init__(
        self, cluster: Cluster, transactional_id: str, *, clock: Clock, timeout_ms: int = TIMEOUT_MS
    ) -> None:
        self.transactional_id = transactional_id
        self._cluster = cluster
        self._clock = clock
        self._timeout_ms = timeout_ms
        self._producer = NO_PRODUCER
        self._sequences: dict[tuple[str, int], int] = {}

    async def init(self) -> None:
        """Become the holder of the id.

        Raises:
            BrokerUnreachable: not within 30 s.
            KafkaError: the coordinator refuses.
        """
        self._producer, self._sequences = NO_PRODUCER, {}
        request = InitProducerIdRequest(
            transactional_id=self.transactional_id, transaction_timeout_ms=self._timeout_ms
        )
        answer = await self._patiently(
            request, INIT_VERSION, InitProducerIdResponse, lambda one: (one.error_code,)
        )
        self._producer = Producer(answer.producer_id, answer.producer_epoch)

    async def begin(self, topic: str, partitions: Iterable[int]) -> None:
        """Begin a transaction, or take more partitions into it.

        Raises:
            ProducerFenced: somebody else has the id.
            BrokerUnreachable: not within 30 s.
        """
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=self.transactional_id,
            v3_and_below_producer_id=self._producer.id,
            v3_and_below_producer_epoch=self._producer.epoch,
            v3_and_below_topics=[AddPartitionsToTxnTopic(name=topic, partitions=list(partitions))],
        )
        await self._patiently(request, ADD_VERSION, AddPartitionsToTxnResponse, _added)

    def stamp(self, topic: str, partition: int, count: int) -> Producer:
        """Return what the batch of the next `count` records of a partition carries."""
        sequence = self._sequences.get((topic, partition), 0)
        self._sequences[topic, partition] = sequence + count & 0x7FFFFFFF
        return self._producer._replace(sequence=sequence)

    async def commit(self) -> None:
        """Make everything since `begin` visible; raises as `begin`."""
        await self._end(committed=True)

    async def abort(self) -> None:
        """Undo everything since `begin`; raises as `begin`."""
        await self._end(committed=False)

    async def _end(self, *, committed: bool) -> None:
        request = EndTxnRequest(
            transactional_id=self.transactional_id,
            producer_id=self._producer.id,
            producer_epoch=self._producer.epoch,
            committed=committed,
        )
        await self._patiently(request, END_VERSION, EndTxnResponse, lambda one: (one.error_code,))

    async def _patiently(
        self,
        request: Message,
        version: int,
        kind: type[Answer],
        codes: Callable[[Answer], Sequence[int]],
    ) -> Answer:
        end = self._clock.monotonic() + PATIENCE
        while True:
            try:
                coordinator = await self._cluster.coordinator(self.transactional_id, TRANSACTION)
                answer = await coordinator.call(request, version, kind, self._cluster.timeout)
                self._check(codes(answer))
                return answer
            except TidelockError as error:
                if not error.retriable and not isinstance(error, BrokerUnreachable):
                    raise
                if self._clock.monotonic() > end:
                    raise
            await asyncio.sleep(RETRY_PAUSE)

    def _check(self, codes: Sequence[int]) -> None:
        where = f"transactional id {self.transactional_id}"
        wrong = [error_for(code, where=where) for code in codes if code != ErrorCode.NONE]
        for error in wrong:
            if isinstance(error, ProducerFenced | InvalidProducerEpoch):
                raise fenced(where)
        for error in wrong:
            raise error


def fenced(where: str) -> ProducerFenced:
    """Return the error of a holder that is none any more."""
    return ProducerFenced("another producer has this transactional id now", where=where, hint="stop this one")


def _added(answer: AddPartitionsToTxnResponse) -> list[int]:
    results = [one for topic in answer.results_by_topic_v3_and_below for one in topic.results_by_partition]
    return [one.partition_error_code for one in results]


async def fence(cluster: Cluster, transactional_ids: Sequence[str], clock: Clock) -> None:
    """Shut out whoever holds these ids, and undo what they have open.

    Args:
        cluster: the brokers.
        transactional_ids: of producers that must not write any more.
        clock: monotonic time, for patience.

    Raises:
        BrokerUnreachable: not within 30 s; some may have been fenced.
        KafkaError: a coordinator refuses.
    """
    inits: list[Awaitable[None]] = [
        Transactions(cluster, one, clock=clock).init() for one in transactional_ids
    ]
    await asyncio.gather(*inits)
