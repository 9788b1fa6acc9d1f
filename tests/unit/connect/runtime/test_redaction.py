import pytest

from tidelock.connect.runtime.redaction import HIDDEN, is_secret, restored, shown, shown_value, still_hidden


@pytest.mark.parametrize(
    "name",
    [
        "connection.password",
        "producer.override.sasl.password",
        "consumer.override.sasl.jaas.config",
        "value.converter.basic.auth.user.info",
        "aws.secret.access.key",
        "producer.override.ssl.keystore.key",
        "transforms.lookup.api.key",
    ],
)
def test_what_is_named_like_a_secret_is_one(name: str) -> None:
    assert shown_value(name, "tr0ub4dor") == HIDDEN


@pytest.mark.parametrize(
    "name", ["key.converter", "pk.fields", "transforms.password.type", "connection.user", "tasks.max"]
)
def test_what_is_not_stays_readable(name: str) -> None:
    assert not is_secret(name)
    assert shown_value(name, "plain") == "plain"
    assert shown_value(name, "plain", {name}) == HIDDEN


@pytest.mark.parametrize(
    ("address", "visible"),
    [
        ("postgresql://ann:pw@db/shop", "postgresql://ann:[hidden]@db/shop"),
        ("postgresql://ann:p@w/:?#@db/shop", "postgresql://ann:[hidden]@db/shop"),
        (
            "jdbc:mysql://db/shop?user=ann&password=pw&ssl=true",
            "jdbc:mysql://db/shop?user=ann&password=[hidden]&ssl=true",
        ),
        ("jdbc:sqlserver://db;password=pw", "jdbc:sqlserver://db;password=[hidden]"),
        ("jdbc:oracle:thin:scott/t@ger@db:1521:x", "jdbc:oracle:thin:scott/[hidden]@db:1521:x"),
        ("http://db:8080/path", "http://db:8080/path"),
        ("postgresql://ann@db/shop", "postgresql://ann@db/shop"),
    ],
)
def test_an_address_hides_its_password_alone(address: str, visible: str) -> None:
    assert shown_value("connection.url", address) == visible


def test_what_was_shown_can_be_sent_back() -> None:
    old = {"connection.url": "postgresql://ann:pw@db/shop", "connection.password": "s", "own": "x"}
    sent = {**shown(old, {"own"}), "tasks.max": "2"}
    assert restored(sent, old, {"own"}) == {**old, "tasks.max": "2"}
    assert still_hidden(restored(sent, old, {"own"})) == []


def test_a_placeholder_at_another_address_is_no_secret() -> None:
    old = {"connection.url": "postgresql://ann:pw@db/shop"}
    sent = {"connection.url": "postgresql://ann:[hidden]@other/shop", "connection.password": HIDDEN}
    assert still_hidden(restored(sent, old)) == ["connection.url", "connection.password"]


def test_a_reference_to_a_secret_is_shown() -> None:
    assert shown_value("connection.password", "${file:/etc/db:password}") == "${file:/etc/db:password}"
    assert shown_value("connection.password", "x${file:/etc/db:password}") == HIDDEN
