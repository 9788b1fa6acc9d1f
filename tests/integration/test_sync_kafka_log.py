"""The relay's log on a real broker: what it says of a topic while the broker dies, and of one made anew."""

import threading

import pytest
from sqlalchemy.engine import URL

from tests.support.databases import Databases
from tests.support.kafka import MortalKafka, NewKafka
from tidelock.client import Admin, TopicPartition
from tidelock.errors import TidelockError
from tidelock.sql import open_engine
from tidelock.sync import Outbox, Relay, RelaySettings
from tidelock.sync.kafka_log import KafkaLog
from tidelock.sync.rules import NO_TOPIC, OutboxRow, TopicEnds

ROWS = [OutboxRow(number, "orders", b"k%d" % number, b"v", {}, 0) for number in range(20)]
QUICK = RelaySettings(poll=0.02, first_pause=0.05, longest_pause=0.2)


def restart(broker: MortalKafka, delay: float) -> None:
    threading.Event().wait(delay)
    broker.kill()
    threading.Event().wait(0.2)  # a client that looks for the broker takes its port for a moment
    broker.start()


def test_a_dying_broker_never_looks_like_an_absent_topic(new_kafka: NewKafka) -> None:
    """`NO_TOPIC` there would make a successor publish anew what its predecessor has published."""
    with new_kafka() as broker:
        log = KafkaLog(broker.bootstrap)
        log.append(ROWS, "mine", go_on=lambda: True)
        first = log.ends("orders")
        told: list[TopicEnds] = []
        failures: list[TidelockError] = []
        for delay in (0.0, 0.02, 0.1):
            back = threading.Thread(target=restart, args=(broker, delay))
            back.start()
            while back.is_alive():
                try:
                    told.append(log.ends("orders", is_known=True))
                except TidelockError as error:
                    failures.append(error)  # as good an answer
            back.join()
        starts = {("orders", partition): 0 for partition in first.ends}
        assert log.sequences(starts, "mine") == set(range(20))
        log.close()
    assert sum(first.ends.values()) == len(ROWS)
    assert told or failures
    assert [answer for answer in told if answer != first] == []


def test_only_the_broker_says_that_there_is_no_topic(new_kafka: NewKafka) -> None:
    pauses: list[float] = []
    with new_kafka() as broker:
        log = KafkaLog(broker.bootstrap, sleep=pauses.append)
        assert log.ends("orders") == NO_TOPIC
        assert pauses == []
        assert log.ends("orders", is_known=True) == NO_TOPIC
        assert len(pauses) == 4
        log.close()


@pytest.mark.timeout(60)
def test_rows_published_to_a_topic_that_was_made_anew_are_found(
    database_url: Databases, new_kafka: NewKafka
) -> None:
    """It has grown past the old one's stored ends when the relay dies before it deletes its rows."""
    url: URL = database_url("sqlite")
    engine = open_engine(url, writer=True)
    with new_kafka({"num.partitions": "1"}) as broker:
        with engine.begin() as tx:
            Outbox().create_table(tx)
            Outbox().add(tx, topic="orders", key="k", value={"n": 0})
        first = Relay(url, broker.bootstrap, settings=QUICK)
        first.start()
        assert first.until_caught_up(20)
        first.stop()
        admin = Admin(broker.bootstrap)
        admin.delete_topic("orders")
        admin.create_topic("orders", 1)
        with engine.begin() as tx:
            for number in range(1, 6):
                Outbox().add(tx, topic="orders", key="k", value={"n": number})
        rows = [OutboxRow(number, "orders", b"k", b"v", {}, 0) for number in range(2, 5)]
        with engine.connect() as connection:
            source = connection.exec_driver_sql("SELECT id FROM tidelock_outbox_source").scalar_one()
        dead = KafkaLog(broker.bootstrap)
        dead.append(rows, source, go_on=lambda: True)  # and dies
        dead.close()
        second = Relay(url, broker.bootstrap, settings=QUICK)
        second.start()
        assert second.until_caught_up(20)
        second.stop()
        assert second.status.found == 3
        assert admin.end_offsets([TopicPartition("orders", 0)]) == {TopicPartition("orders", 0): 5}
    engine.dispose()
