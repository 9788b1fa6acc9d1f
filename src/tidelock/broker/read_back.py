"""At a start: the coordinators read their own topics back, through the `apply` that they also run on.

Groups come from `__consumer_offsets`, where positions committed in a transaction count from its marker on;
transactional ids come from `__transaction_state`. Transactions that were being ended are ended at once. No IO
of its own: partitions do that.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidelock.broker.groups.coordinator import GroupCoordinator
from tidelock.broker.groups.records import decode as decode_group
from tidelock.broker.instant import Instant
from tidelock.broker.log import Partition, read_marker
from tidelock.broker.metadata import OFFSETS_TOPIC, TRANSACTIONS_TOPIC
from tidelock.broker.state import BrokerState
from tidelock.broker.transactions.coordinator import TransactionCoordinator
from tidelock.broker.transactions.records import decode as decode_transaction
from tidelock.protocol.records import BatchHeader, Record, iter_batches, iter_records

READ_BACK_BYTES = 1 << 20


def read_back(state: BrokerState, now: Instant) -> None:
    """Bring both coordinators to where they were.

    Raises:
        CorruptGroupRecord, CorruptTransactionRecord: what is there cannot be read.
        KafkaError: a partition cannot be read.
    """
    offsets, transactions = (_own(state, name) for name in (OFFSETS_TOPIC, TRANSACTIONS_TOPIC))
    if offsets is not None:
        _read_groups(offsets, state.groups)
    state.groups.loaded(now)
    if transactions is not None:
        _read_transactions(transactions, state.transactions)
        state.transactions.loaded(transactions.leader_epoch, now)


def _own(state: BrokerState, topic: str) -> Partition | None:
    return state.partitions.get(topic, [None])[0]


def _read_groups(partition: Partition, groups: GroupCoordinator) -> None:
    """Apply what the last record of each key says, in the order of these records; most are replaced ones."""
    latest: dict[bytes, Record] = {}
    for data, header, position in _batches(partition):
        if header.is_control:
            _apply(latest, groups)
            found = read_marker(data[position : position + header.size])
            if found is not None:
                groups.end_transaction(header.producer_id, found[0])
        elif header.is_transactional:
            _apply(latest, groups)
            for record in iter_records(data, position):
                _apply({b"": record}, groups, header.producer_id)
        else:
            for record in iter_records(data, position):
                key = record.key or b""
                latest.pop(key, None)
                latest[key] = record
    _apply(latest, groups)


def _apply(records: dict[bytes, Record], groups: GroupCoordinator, producer_id: int = -1) -> None:
    for record in records.values():
        change = decode_group(record.key or b"", record.value)
        if change is not None:
            groups.apply(change, record.offset, producer_id)
    records.clear()


def _read_transactions(partition: Partition, transactions: TransactionCoordinator) -> None:
    for data, header, position in _batches(partition):
        if not header.is_control:
            for record in iter_records(data, position):
                found = decode_transaction(record.key or b"", record.value)
                if found is not None:
                    transactions.apply(*found)


def _batches(partition: Partition) -> Iterator[tuple[bytes | memoryview, BatchHeader, int]]:
    offset = partition.log_start_offset
    while offset < partition.log_end_offset:
        data = partition.read(offset, READ_BACK_BYTES, limit=partition.log_end_offset)
        if not data:
            return
        for header, position in iter_batches(data):
            yield data, header, position
            offset = header.last_offset + 1
