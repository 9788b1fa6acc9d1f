"""Record batches for tests of the broker's log, as a client would send them."""

from tidelock.protocol.records import NO_PRODUCER, Producer, Record, build_batch


def batch(
    count: int = 1,
    *,
    timestamp: int = 1_000,
    size: int = 20,
    producer: Producer = NO_PRODUCER,
    transactional: bool = False,
    compression: int = 0,
) -> memoryview:
    """Return a writable batch of `count` records whose timestamps rise by one from `timestamp`."""
    records = [Record(n, timestamp + n, b"key %d" % n, b"v" * size) for n in range(count)]
    return memoryview(
        build_batch(records, producer=producer, transactional=transactional, compression=compression)
    )
