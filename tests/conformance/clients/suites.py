"""Which suites there are: where their sources are, what they need, how they find a broker.

Nothing of theirs is kept here: sources are cloned at run time, at the commit named, into a cache folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Suite:
    """One foreign suite.

    Args:
        requirements: what pip installs beside pytest, or npm; `{source}` is the checkout.
        broker: settings it expects of a broker; None = it starts one itself through the stand-in for docker.
        environment: `{bootstrap}` is the broker's address.
        arguments: of pytest, or of jest.
        folders: empty ones it looks for.
        runner: pytest or jest.
    """

    name: str
    repository: str
    commit: str
    requirements: tuple[str, ...]
    broker: Mapping[str, str] | None
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    runner: str = "pytest"


SUITES = (
    Suite(
        "kafka-python",
        "https://github.com/dpkp/kafka-python",
        "a3b3836f",
        ("py", "pytest-timeout", "crc32c", "lz4", "python-snappy", "zstandard"),
        {"node.id": "0", "group.min.session.timeout.ms": "1000"},
        ("test/integration", "-o", "addopts="),
        {"KAFKA_URI": "kafka://{bootstrap}", "KAFKA_VERSION": "4.2.0"},
        ("servers/4.2.0/kafka-bin",),
    ),
    Suite(
        "aiokafka",
        "https://github.com/aio-libs/aiokafka",
        "672947af",
        ("pytest-asyncio", "pytest-mock", "cramjam", "async-timeout", "typing_extensions", "packaging"),
        None,
        (
            *("tests", "--docker-image", "x/kafka:2.13_2.8.1", "--no-pull"),
            *("-m", "not ssl", "-k", "not sasl and not Sasl and not SASL and not acl"),
            *("-o", "asyncio_default_fixture_loop_scope=function", "-W", "ignore"),
        ),
        {"AIOKAFKA_NO_EXTENSIONS": "1"},
        ("tests/ssl_cert",),
    ),
    Suite(
        "confluent-kafka-python",
        "https://github.com/confluentinc/confluent-kafka-python",
        "8b1c7a61",
        (
            *("pytest-asyncio", "pytest-timeout", "requests-mock", "respx", "attrs", "cachetools", "httpx"),
            *(
                "authlib",
                "fastavro",
                "avro",
                "requests",
                "protobuf<6",
                "googleapis-common-protos",
                "jsonschema",
            ),
            *("orjson", "referencing", "cel-python", "jsonata-python", "tink", "boto3"),
            *("confluent-kafka==2.15.0", "{source}/tests/trivup/trivup-0.14.0.tar.gz"),
        ),
        {},
        ("tests/integration/admin", "tests/integration/consumer", "tests/integration/producer"),
        {"BROKERS": "{bootstrap}"},
    ),
    Suite(
        "kafkajs",
        "https://github.com/tulios/kafkajs",
        "55b0b416",
        (
            *("jest@^25.1.0", "jest-circus@^25.1.0", "jest-extended@^0.11.2", "jest-junit@^10.0.0"),
            *("jsonwebtoken@^9.0.0", "execa@^2.0.3", "glob@^7.1.4", "ip@^1.1.5", "mockdate@^2.0.5"),
            *("semver@^6.2.0", "uuid@^3.3.2"),
        ),
        {"listeners": "PLAINTEXT://localhost:9092", "node.id": "0", "num.partitions": "2"},
        (
            *("src/admin", "src/broker", "src/cluster", "src/consumer", "src/producer"),
            *("--testNamePattern", "^(?!.*(SASL|SSL|sasl|ssl|Acl)).*$"),
        ),
        {"KAFKA_VERSION": "2.4", "NODE_ENV": "test", "KAFKAJS_DEBUG_PROTOCOL_BUFFERS": "1"},
        runner="jest",
    ),
)
