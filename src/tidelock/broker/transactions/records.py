"""What the transaction coordinator makes durable: the records of `__transaction_state`, in Kafka's schemas.

Values are written as version 1, which Kafka has read since 3.8; 0 and 1 are read. A record without a value
forgets its transactional id. Pure: imports the generated messages.

Source: Kafka `TransactionLogKey/Value.json`, `TransactionLog`.
"""

from __future__ import annotations

import struct

from tidelock.broker.transactions.state import Transaction, TransactionStatus
from tidelock.errors import TidelockError
from tidelock.protocol.messages.transaction_log_key import TransactionLogKey
from tidelock.protocol.messages.transaction_log_value import PartitionsSchema, TransactionLogValue
from tidelock.protocol.primitives import MalformedMessage

KEY_VERSION, VALUE_VERSION = 0, 1
_version = struct.Struct(">h")


class CorruptTransactionRecord(TidelockError):
    """A record of `__transaction_state` cannot be read."""

    code = "TID-253"


def encode_key(transactional_id: str) -> bytes:
    """Return the key of a transactional id's records."""
    out = bytearray(_version.pack(KEY_VERSION))
    TransactionLogKey(transactional_id=transactional_id).encode(KEY_VERSION, out)
    return bytes(out)


def encode_value(image: Transaction) -> bytes:
    """Return the value that makes an image durable."""
    topics: dict[str, list[int]] = {}
    for topic, partition in sorted(image.partitions):
        topics.setdefault(topic, []).append(partition)
    value = TransactionLogValue(
        producer_id=image.producer_id,
        previous_producer_id=image.previous_producer_id,
        next_producer_id=image.next_producer_id,
        producer_epoch=image.epoch,
        transaction_timeout_ms=image.timeout_ms,
        transaction_status=int(image.status),
        # Null, not empty, where no transaction can have partitions: so says Kafka's reader.
        transaction_partitions=None
        if image.status is TransactionStatus.EMPTY
        else [PartitionsSchema(topic=name, partition_ids=found) for name, found in topics.items()],
        transaction_last_update_timestamp_ms=image.update_ms,
        transaction_start_timestamp_ms=image.start_ms,
        client_transaction_version=image.version,
    )
    out = bytearray(_version.pack(VALUE_VERSION))
    value.encode(VALUE_VERSION, out)
    return bytes(out)


def decode(key: bytes, value: bytes | None) -> tuple[str, Transaction | None] | None:
    """Read one record back: (transactional id, its image or None where it was forgotten).

    Returns:
        None for a kind of key that this coordinator does not know.

    Raises:
        CorruptTransactionRecord: the bytes do not follow the schema.
    """
    try:
        (version,) = _version.unpack_from(key)
        if version != KEY_VERSION:
            return None
        found, _ = TransactionLogKey.decode(key, version, 2)
        name = found.transactional_id
        return name, None if value is None else _image(name, value)
    except (struct.error, MalformedMessage, ValueError, IndexError) as error:
        raise CorruptTransactionRecord(
            f"a transaction record is damaged: {error}", where="__transaction_state"
        ) from None


def _image(name: str, data: bytes) -> Transaction:
    (version,) = _version.unpack_from(data)
    if not 0 <= version <= VALUE_VERSION:
        raise ValueError(f"TransactionLogValue version {version}")
    value, _ = TransactionLogValue.decode(data, version, 2)
    return Transaction(
        name,
        value.producer_id,
        value.producer_epoch,
        value.transaction_timeout_ms,
        TransactionStatus(value.transaction_status),
        previous_producer_id=value.previous_producer_id,
        next_producer_id=value.next_producer_id,
        partitions=frozenset(
            (one.topic, partition)
            for one in value.transaction_partitions or ()
            for partition in one.partition_ids
        ),
        start_ms=value.transaction_start_timestamp_ms,
        update_ms=value.transaction_last_update_timestamp_ms,
        version=value.client_transaction_version,
    )
