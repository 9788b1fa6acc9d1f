import confluent_kafka
import pytest

from tidelock.client import keys
from tidelock.client.settings import ClientSettings, settings_of
from tidelock.config import ConfigError, Secret

JAAS = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="hush";'


def parse(given: dict[str, object]) -> dict[str, str]:
    return ClientSettings.parse(given).for_librdkafka({}, {})


def problems(given: dict[str, object]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        ClientSettings.parse(given)
    return [str(problem) for problem in caught.value.problems]


def test_the_same_client_in_three_spellings() -> None:
    java = {
        "bootstrap.servers": "a:1,b:2",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.jaas.config": JAAS,
        "fetch.max.wait.ms": "250",
        "key.deserializer": "org.apache.kafka.common.serialization.StringDeserializer",
    }
    rdkafka = {
        "bootstrap.servers": "a:1,b:2",
        "security.protocol": "SASL_SSL",
        "sasl.mechanisms": "PLAIN",
        "sasl.username": "u",
        "sasl.password": "hush",
        "fetch.wait.max.ms": "250",
    }
    aiokafka = {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "u",
        "sasl_plain_password": "hush",
        "fetch_max_wait_ms": 250,
    }
    expected = dict(rdkafka)
    assert parse(java) == expected
    assert parse(dict(rdkafka)) == expected
    assert parse(dict(aiokafka)) == expected


def test_a_login_line_names_the_mechanism_where_nothing_else_does() -> None:
    assert parse({"sasl.jaas.config": JAAS})["sasl.mechanisms"] == "PLAIN"


def test_secrets_are_hidden_until_librdkafka_gets_them() -> None:
    settings = ClientSettings.parse({"sasl.jaas.config": JAAS, "ssl_password": Secret("hush")})
    assert "hush" not in repr(settings)
    assert settings.for_librdkafka({}, {})["sasl.password"] == "hush"
    assert settings.for_librdkafka({}, {})["ssl.key.password"] == "hush"


def test_an_error_never_shows_a_secret() -> None:
    with pytest.raises(ConfigError) as caught:
        ClientSettings.parse({"sasl.password": "hush", "sasl_plain_password": "hash", "sasl.pasword": "hosh"})
    assert not any(secret in str(caught.value) for secret in ("hush", "hash", "hosh"))
    assert not any(
        secret in repr(one) for one in caught.value.problems for secret in ("hush", "hash", "hosh")
    )


def test_every_problem_is_told_with_the_nearest_key_in_the_same_spelling() -> None:
    found = problems(
        {
            "bootstrap.server": "x:1",
            "group_idd": "g",
            "ssl.engine.factory.class": "com.example.Engine",
            "partitioner.class": "com.example.Own",
            "buffer.memory": "much",
            "auto.offset.reset": "by_duration:PT1H",
            "linger.ms": "5",
        }
    )
    assert found == [
        "bootstrap.server: is not a known key; did you mean bootstrap.servers?",
        "group_idd: is not a known key; did you mean group_id?",
        "ssl.engine.factory.class: is a Java class, which cannot run here",
        "buffer.memory: 'much' is not a whole number",
        "partitioner.class: Own is a Java class without a counterpart; leave it out for Java's default",
        "auto.offset.reset: 'by_duration:PT1H' is not earliest, latest or none",
    ]


def test_two_spellings_may_not_contradict_each_other() -> None:
    assert parse({"fetch.max.wait.ms": "1", "fetch.wait.max.ms": "1"})["fetch.wait.max.ms"] == "1"
    assert problems({"fetch.max.wait.ms": "1", "fetch.wait.max.ms": "2"}) == [
        "fetch.wait.max.ms: says something else than fetch.max.wait.ms"
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"buffer.memory": "33554432"}, {"queue.buffering.max.kbytes": "32768"}),
        ({"auto.offset.reset": "none"}, {"auto.offset.reset": "error"}),
        ({"ssl.endpoint.identification.algorithm": ""}, {"ssl.endpoint.identification.algorithm": "none"}),
        ({"ssl_check_hostname": False}, {"ssl.endpoint.identification.algorithm": "none"}),
        (
            {"partition.assignment.strategy": "org.apache.kafka.clients.consumer.RangeAssignor,roundrobin"},
            {"partition.assignment.strategy": "range,roundrobin"},
        ),
        (
            {"partitioner.class": "org.apache.kafka.clients.producer.internals.DefaultPartitioner"},
            {"partitioner": "murmur2_random"},
        ),
        ({"ssl.truststore.location": "/c/ca.pem"}, {"ssl.ca.location": "/c/ca.pem"}),
        (
            {"ssl.keystore.type": "PEM", "ssl.keystore.location": "/c/me"},
            {"ssl.certificate.location": "/c/me", "ssl.key.location": "/c/me"},
        ),
        (
            {"ssl.keystore.location": "/c/me.p12", "ssl.keystore.password": "hush"},
            {"ssl.keystore.location": "/c/me.p12", "ssl.keystore.password": "hush"},
        ),
        (
            {"enable_idempotence": True, "acks": -1, "loop": None},
            {"enable.idempotence": "true", "acks": "-1"},
        ),
    ],
)
def test_values_are_carried_over(given: dict[str, object], expected: dict[str, str]) -> None:
    assert parse(given) == {"bootstrap.servers": "localhost:9092", **expected}


def test_a_java_key_store_says_how_to_become_pem() -> None:
    (found,) = problems({"ssl.truststore.location": "/c/ca.jks", "ssl.truststore.password": "hush"})
    assert found.startswith("ssl.truststore.location: is a JKS truststore; give PEM (keytool")


def test_given_beats_default_and_forced_beats_given() -> None:
    settings = settings_of({"client.id": "mine", "acks": "1"})
    merged = settings.for_librdkafka({"client.id": "theirs", "linger.ms": "5"}, {"acks": "all"})
    assert merged == {
        "bootstrap.servers": "localhost:9092",
        "client.id": "mine",
        "linger.ms": "5",
        "acks": "all",
    }
    assert settings_of("h:1").bootstrap == "h:1"
    assert settings_of(settings) is settings


def test_librdkafka_knows_every_key_that_is_handed_to_it() -> None:
    def is_known(name: str) -> bool:
        wrong = {"group.id": "g", name: "$", "tide.lock": ""}  # refused before anything starts
        with pytest.raises(confluent_kafka.KafkaException) as caught:
            confluent_kafka.Consumer(wrong)
        return f'No such configuration property: "{name}"' not in str(caught.value)

    assert not is_known("tide.gate")
    assert [name for name in sorted(keys.LIBRDKAFKA | set(keys.JAVA.values())) if not is_known(name)] == []
