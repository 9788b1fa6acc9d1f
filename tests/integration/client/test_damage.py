"""A byte that a disk has changed in a sealed segment: the reader comes as far as it, and is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kafka import MortalKafka, NewKafka
from tests.support.waiting import eventually
from tidelock.client import Admin, Consumer, Outgoing, Producer, TopicPartition
from tidelock.client.errors import DamagedRecords
from tidelock.protocol.records import iter_batches

RECORDS, BAD = 60, 7
PLACE = TopicPartition("t", 0)


def flip(log: Path, batch: int, byte: int) -> None:
    data = bytearray(log.read_bytes())
    _, start = list(iter_batches(data))[batch]
    with log.open("r+b") as file:
        file.seek(start + byte)
        file.write(bytes([data[start + byte] ^ 0x80]))


def filled(broker: MortalKafka) -> None:
    Admin(broker.bootstrap).create_topic("t", 1, configs={"segment.bytes": str(1 << 20)})
    with Producer(broker.bootstrap) as producer:
        for number in range(RECORDS):
            producer.send("t", Outgoing(b"", b"%02d" % number + b"x" * 40_000))
            producer.flush()


# The length's high byte makes a header that no log can hold; byte 80 is in a record's value.
@pytest.mark.parametrize(("byte", "words"), [(8, "Invalid message"), (80, "CRC")])
def test_a_reader_is_told_what_it_cannot_read(
    new_kafka: NewKafka, tmp_path: Path, byte: int, words: str
) -> None:
    with new_kafka() as broker:
        filled(broker)
        flip(tmp_path / "data" / "t-0" / "00000000000000000000.log", BAD, byte)
        with Consumer(broker.bootstrap) as consumer:
            consumer.assign({PLACE: 0})
            for max_records in (1, 500):
                seen: list[int] = []

                def read(seen: list[int] = seen, max_records: int = max_records) -> bool:
                    seen.extend(one.offset() for one in consumer.poll(max_records, 0.5))
                    return len(seen) == RECORDS

                for _ in range(2):  # what comes behind the damage is not handed out in silence later on
                    with pytest.raises(DamagedRecords, match=words) as told:
                        eventually(read, 30)
                    assert seen == list(range(BAD))
                    assert told.value.where == "t-0"
                assert PLACE not in consumer.at_end
                consumer.seek(PLACE, RECORDS - 5)
                eventually(lambda: consumer.poll(500, 0.5), 30)
                consumer.assign({PLACE: 0})
            consumer.assign({PLACE: RECORDS - 5})
            assert [one.offset() for one in eventually(lambda: consumer.poll(5, 5.0), 30)][-1] >= RECORDS - 5


def test_a_group_commits_what_came_before_the_damage(new_kafka: NewKafka, tmp_path: Path) -> None:
    with new_kafka() as broker:
        filled(broker)
        flip(tmp_path / "data" / "t-0" / "00000000000000000000.log", BAD, 80)
        with Consumer(broker.bootstrap, group="g") as consumer:
            consumer.subscribe(["t"])
            seen: list[int] = []

            def read() -> bool:
                found = consumer.poll(500, 0.5)
                seen.extend(one.offset() for one in found)
                if found:
                    consumer.commit({PLACE: found[-1].offset() + 1})
                return len(seen) == RECORDS

            with pytest.raises(DamagedRecords):
                eventually(read, 30)
            assert seen == list(range(BAD))
            assert consumer.committed([PLACE]) == {PLACE: BAD}
