"""Java's partitioner for keyed records: murmur2, and the partition that it means. Pure.

Every record of a compacted topic that Java clients also write must land where they would put it; otherwise
two live copies of a key stay, one in each partition.

Source: Kafka `org.apache.kafka.common.utils.Utils.{murmur2, toPositive}`, `BuiltInPartitioner`.
"""

from __future__ import annotations

SEED = 0x9747B28C
MULTIPLIER, SHIFT = 0x5BD1E995, 24
WORD = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Return the hash as an unsigned 32-bit number."""
    length = len(data)
    found = SEED ^ length
    whole = length & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * MULTIPLIER & WORD
        word ^= word >> SHIFT
        found = (found * MULTIPLIER & WORD) ^ (word * MULTIPLIER & WORD)
    if rest := data[whole:]:
        found = (found ^ int.from_bytes(rest, "little")) * MULTIPLIER & WORD
    found ^= found >> 13
    found = found * MULTIPLIER & WORD
    return found ^ (found >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key among `partitions` (>= 1), as Java's producer chooses it."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
