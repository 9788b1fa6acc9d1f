"""SIGKILL, restart, and clean stop: nothing that was acknowledged is lost, and groups go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition

from tests.integration.broker.test_confluent_kafka import consumer, create, produce, take
from tests.support.broker import BrokerProcess
from tests.support.kafka import NewKafka
from tests.support.waiting import eventually


@pytest.mark.needs_tidelock("the flush policies are its own")
@pytest.mark.parametrize("policy", ["os", "group", "interval"])
def test_what_was_acknowledged_survives_sigkill_under_load(tmp_path: Path, policy: str) -> None:
    acknowledged: list[bytes] = []
    with BrokerProcess(tmp_path / "data", {"tidelock.flush.policy": policy}) as broker:
        create(broker.bootstrap, "t", 2)

        def delivered(error: Any, message: Any) -> None:
            assert error is None
            acknowledged.append(message.value())

        producer = Producer(
            {
                "bootstrap.servers": broker.bootstrap,
                "enable.idempotence": True,
                "linger.ms": 1,
                "log_level": 0,
            }
        )
        for number in range(30_000):
            producer.produce("t", str(number).encode(), key=str(number % 7), on_delivery=delivered)
            producer.poll(0)
            if number % 8000 == 7999:
                kill_in_flight(broker, producer, acknowledged)
        assert producer.flush(60) == 0
        assert len(acknowledged) == 30_000
        with consumer(broker.bootstrap, "g") as found:
            found.subscribe(["t"])
            got = take(found, 30_000, 40)
    values = [int(one.value()) for one in got]
    assert sorted(values) == list(range(30_000))
    for partition in (0, 1):
        order = [int(one.value()) for one in got if one.partition() == partition]
        for key in range(7):
            mine = [one for one in order if one % 7 == key]
            assert mine == sorted(mine)


def kill_in_flight(broker: BrokerProcess, producer: Producer, acknowledged: list[bytes]) -> None:
    """Kill the broker when some of what was sent is acknowledged, and some is not."""
    before = len(acknowledged)

    def some_are_acknowledged() -> bool:
        producer.poll(0)
        return len(acknowledged) > before

    eventually(some_are_acknowledged, interval=0)
    broker.kill()
    broker.start()


def test_a_group_and_its_positions_survive_sigkill(new_kafka: NewKafka) -> None:
    with new_kafka() as broker:
        create(broker.bootstrap, "t")
        produce(broker.bootstrap, "t", [str(n).encode() for n in range(50)])
        with consumer(broker.bootstrap, "g") as found:
            found.subscribe(["t"])
            assert len(take(found, 20)) == 20
            found.commit(offsets=[TopicPartition("t", 0, 20)], asynchronous=False)
            broker.kill()
            broker.start()
            produce(broker.bootstrap, "t", [b"after"])
            assert take(found, 31)[-1].value() == b"after"
            found.commit(offsets=[TopicPartition("t", 0, 51)], asynchronous=False)
        broker.stop()
        broker.start()
        with consumer(broker.bootstrap, "g") as found:
            (position,) = found.committed([TopicPartition("t", 0)], timeout=10)
            assert position.offset == 51


@pytest.mark.needs_tidelock("the words are its own")
def test_a_second_broker_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with BrokerProcess(tmp_path / "data"):
        other = BrokerProcess(tmp_path / "data")
        with pytest.raises(AssertionError, match="the data folder is in use"):
            other.start()
        other._end("kill")
