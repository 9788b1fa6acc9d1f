import pytest

from tidelock.client import BrokerUnreachable
from tidelock.connect.runtime.kafka import client_properties, patiently


def test_client_keys_come_from_the_worker_and_then_the_connector() -> None:
    worker = {
        "bootstrap.servers": "w:1",
        "security.protocol": "SSL",
        "consumer.fetch.min.bytes": "1",
        "consumer.max.poll.records": "100",
        "producer.linger.ms": "9",
    }
    connector = {"consumer.override.fetch.min.bytes": "2", "file": "x"}
    assert client_properties(worker, connector, "consumer") == {
        "bootstrap.servers": "w:1",
        "security.protocol": "SSL",
        "fetch.min.bytes": "2",
        "max.poll.records": "100",
    }


def test_an_absent_broker_is_waited_for_until_it_is_time_to_stop() -> None:
    tries = iter([BrokerUnreachable("no"), BrokerUnreachable("no"), "made"])

    def make() -> object:
        step = next(tries)
        if isinstance(step, BrokerUnreachable):
            raise step
        return step

    assert patiently(make, lambda: True) == "made"

    def never() -> object:
        raise BrokerUnreachable("no")

    with pytest.raises(BrokerUnreachable):
        patiently(never, lambda: False)
