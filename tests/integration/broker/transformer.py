"""The consume-transform-produce program of test_transactions.py: moves records, each batch a transaction.

It knows nothing of kills: whatever it cannot handle ends it, and the test starts it again.
"""

from __future__ import annotations

import sys

from confluent_kafka import Consumer, KafkaException, Producer

TIMEOUT = 30.0
# librdkafka 2.16 forgets every broker when all are gone, and may then wait for ever in
# send_offsets_to_transaction: the request for the group's coordinator is left with the forgotten one
# (confluentinc/librdkafka 5511). With one broker each of its deaths is such a moment.
KEEP_BROKERS = {"metadata.recovery.strategy": "none", "log_level": 0}


def main(bootstrap: str, source: str, target: str, name: str) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": name,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "session.timeout.ms": 6000,
            "group.instance.id": name,
            **KEEP_BROKERS,
        }
    )
    producer = Producer(
        {"bootstrap.servers": bootstrap, "transactional.id": name, "linger.ms": 1, **KEEP_BROKERS}
    )
    producer.init_transactions(TIMEOUT)
    consumer.subscribe([source])
    while True:
        found = consumer.consume(40, 0.1)
        for one in found:
            if one.error() is not None and one.error().fatal():
                raise KafkaException(one.error())
        records = [one for one in found if one.error() is None]
        if not records:
            continue
        producer.begin_transaction()
        for one in records:
            producer.produce(target, one.value(), one.key())
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), TIMEOUT
        )
        producer.commit_transaction(TIMEOUT)


if __name__ == "__main__":
    main(*sys.argv[1:])
