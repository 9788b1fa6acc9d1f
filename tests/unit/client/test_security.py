"""Who logs in how on our own connections: RFC 7677's example, and every answer that is none."""

import contextlib
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidelock.client import ClientSettings
from tidelock.client.errors import LoginRefused
from tidelock.client.security import Security, login
from tidelock.config import ConfigError

JAAS = 'org.apache.kafka.common.security.{} required username="{}" password="pencil";'
NONCE = "rOprNGfwEbeRWgbNEkqO"
SERVER = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
PROOF = b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SIGNATURE = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def of(**keys: str) -> Security:
    given = {name.replace("_", "."): value for name, value in keys.items()}
    return Security.of(ClientSettings.parse(given))


def scram(name: str = "user") -> Security:
    line = JAAS.format("scram.ScramLoginModule", name)
    return of(security_protocol="SASL_SSL", sasl_mechanism="SCRAM-SHA-256", sasl_jaas_config=line)


def test_plain_is_one_message_and_no_secret_prints() -> None:
    line = JAAS.format("plain.PlainLoginModule", "사용자")
    security = of(security_protocol="SASL_PLAINTEXT", sasl_jaas_config=line)
    steps = login(security, NONCE)
    assert next(steps) == "\0사용자\0pencil".encode()
    with pytest.raises(StopIteration):
        steps.send(b"")
    assert "pencil" not in repr(security)
    assert security.tls_context() is None


def test_scram_is_the_rfc_s_example() -> None:
    steps = login(scram(), NONCE)
    assert next(steps) == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    assert steps.send(SERVER) == b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0," + PROOF
    with pytest.raises(StopIteration):
        steps.send(SIGNATURE)
    assert next(login(scram("a=b,c"), NONCE)) == b"n,,n=a=3Db=2Cc,r=rOprNGfwEbeRWgbNEkqO"


@pytest.mark.parametrize(
    "answer",
    [
        b"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        SERVER.replace(b"4096", b"4095"),
        SERVER.replace(b"4096", b"99999999"),
        SERVER.replace(b"s=W", b"s=*"),
        b"e=unknown-user",
        b"\xff",
    ],
)
def test_an_answer_that_is_none_is_refused(answer: bytes) -> None:
    steps = login(scram(), NONCE)
    next(steps)
    with pytest.raises(LoginRefused):
        steps.send(answer)


def test_a_broker_that_does_not_know_the_password_is_refused() -> None:
    steps = login(scram(), NONCE)
    next(steps)
    steps.send(SERVER)
    with pytest.raises(LoginRefused, match="could not prove"):
        steps.send(b"v=" + b"A" * 43 + b"=")


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_refused(first: bytes, second: bytes) -> None:
    for answers in ((first, second), (SERVER, second)):
        steps = login(scram(), NONCE)
        next(steps)
        with contextlib.suppress(LoginRefused):
            for answer in answers:
                steps.send(answer)
            raise AssertionError("somebody got in")


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"security.protocol": "SASL_SSL"}, "GSSAPI.*PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}, "names who logs in"),
        ({"security.protocol": "TLS"}, "is none of PLAINTEXT, SSL"),
        (
            {"security.protocol": "SSL", "ssl.keystore.location": "k.p12", "ssl.keystore.type": "PKCS12"},
            "need a PEM file",
        ),
    ],
)
def test_what_is_not_spoken_is_refused_at_its_key(keys: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        Security.of(ClientSettings.parse(keys))


def test_files_of_tls_are_named_when_they_cannot_be_used(tmp_path: Path) -> None:
    absent = str(tmp_path / "ca.pem")
    with pytest.raises(ConfigError, match=r"ssl\.ca\.location.*cannot be used"):
        of(security_protocol="SSL", ssl_truststore_location=absent).tls_context()
    checked = of(security_protocol="SSL").tls_context()
    assert checked is not None
    assert checked.check_hostname
    assert checked.verify_mode is ssl.CERT_REQUIRED
    loose = of(security_protocol="SSL", ssl_endpoint_identification_algorithm="").tls_context()
    assert loose is not None
    assert not loose.check_hostname
