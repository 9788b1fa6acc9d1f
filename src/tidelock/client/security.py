"""TLS and SASL of our own connections, from the keys that librdkafka's clients get too.

    security = Security.of(ClientSettings.parse(properties))      checks; reads no file
    context = security.tls_context()                              reads the PEM files
    steps = login(security, nonce)                                what is sent, what comes back: no IO

PEM files only; PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512. What else librdkafka can do (GSSAPI, OAUTHBEARER,
PKCS#12, keys within the configuration) is refused at its key.

Source: KIP-12, KIP-43, KIP-152; RFC 4616 (PLAIN), RFC 5802 (SCRAM); Java's `ScramSaslClient`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tidelock.client.errors import LoginRefused
from tidelock.client.settings import ClientSettings
from tidelock.config import ConfigError, Problem, Secret

PLAINTEXT = "PLAINTEXT"
PROTOCOLS = (PLAINTEXT, "SSL", "SASL_PLAINTEXT", "SASL_SSL")
HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
MECHANISMS = ("PLAIN", *HASHES)
ITERATIONS = range(4096, 1_000_001)  # fewer are refused by Java's client too; more would only cost us time
_NO_FILE = "is read by the tasks' clients only; the worker's own connections need a PEM file in {}"
_REFUSED = {
    "ssl.certificate.pem": _NO_FILE.format("ssl.keystore.location"),
    "ssl.key.pem": _NO_FILE.format("ssl.keystore.location"),
    "ssl.keystore.location": _NO_FILE.format("ssl.keystore.location with ssl.keystore.type=PEM"),
    "ssl.engine.location": "is librdkafka's alone",
}


@dataclass(frozen=True, slots=True)
class Security:
    """How a connection is protected and who logs in; the default is neither.

    Attributes:
        protocol: one of Kafka's four.
        mechanism: of SASL; None without it.
        properties: the keys of TLS, under librdkafka's names.
    """

    protocol: str = PLAINTEXT
    mechanism: str | None = None
    username: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))
    properties: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, settings: ClientSettings) -> Security:
        """Read a client's keys.

        Raises:
            ConfigError: a protocol or mechanism that is not spoken, or a name or password that is missing.
        """
        given = settings.for_librdkafka({}, {})
        if problems := tuple(_problems(given)):
            raise ConfigError(problems, where="the worker's own connections")
        protocol = given.get("security.protocol", PLAINTEXT).upper()
        tls = {name: value for name, value in given.items() if name.startswith(("ssl.", "enable.ssl."))}
        if not protocol.startswith("SASL_"):
            return cls(protocol, properties=tls)
        password = Secret(given["sasl.password"])
        return cls(protocol, _mechanism(given), given["sasl.username"], password, tls)

    def tls_context(self) -> ssl.SSLContext | None:
        """Read the files; None where connections are not encrypted.

        Raises:
            ConfigError: a file is missing or is not PEM.
        """
        if not self.protocol.endswith("SSL"):
            return None
        context = ssl.create_default_context(cadata=self.properties.get("ssl.ca.pem"))
        named = ""
        try:
            if named := self.properties.get("ssl.ca.location", ""):
                is_folder = Path(named).is_dir()
                context.load_verify_locations(
                    cafile=None if is_folder else named, capath=named if is_folder else None
                )
            if named := self.properties.get("ssl.certificate.location", ""):
                password = self.properties.get("ssl.key.password")
                key = self.properties.get("ssl.key.location")
                # A function: without a password OpenSSL would ask at the terminal.
                context.load_cert_chain(named, key, lambda: password or "")
            if named := self.properties.get("ssl.cipher.suites", ""):
                context.set_ciphers(named)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            key = next(name for name, value in self.properties.items() if value == named)
            raise ConfigError((Problem(key, named, f"cannot be used: {error}"),), where="TLS") from error
        if self.properties.get("ssl.endpoint.identification.algorithm", "https") == "none":
            context.check_hostname = False
        if self.properties.get("enable.ssl.certificate.verification", "true").lower() == "false":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def login(security: Security, nonce: str) -> Generator[bytes, bytes, None]:
    """Yield what is sent to the broker, get what it answers.

    Args:
        security: with a mechanism.
        nonce: random, printable, without a comma; never used before.

    Raises:
        LoginRefused: the answer proves that the broker does not know the password, or is no answer.
    """
    if security.mechanism == "PLAIN":
        yield f"\0{security.username}\0{security.password.reveal()}".encode()
        return
    yield from _scram(HASHES[security.mechanism or ""], security, nonce)


def _scram(kind: str, security: Security, nonce: str) -> Generator[bytes, bytes, None]:
    name = security.username.replace("=", "=3D").replace(",", "=2C")
    first = f"n={name},r={nonce}"
    server = yield f"n,,{first}".encode()
    fields = _fields(server)
    salt, iterations = _bytes(fields, "s"), fields.get("i", "")
    known = fields.get("r", "")
    if not known.startswith(nonce) or known == nonce:
        raise LoginRefused("the broker's SCRAM answer has another nonce than ours")
    if not iterations.isdecimal() or len(iterations) > 9 or int(iterations) not in ITERATIONS:
        raise LoginRefused(f"the broker wants {iterations[:20]!r} SCRAM iterations; {ITERATIONS[0]} at least")
    password = security.password.reveal().encode()
    salted = hashlib.pbkdf2_hmac(kind, password, salt, int(iterations))
    client_key = hmac.digest(salted, b"Client Key", kind)
    bare = f"c=biws,r={known}"
    message = f"{first},{server.decode()},{bare}".encode()
    signature = hmac.digest(hashlib.new(kind, client_key).digest(), message, kind)
    proof = bytes(one ^ other for one, other in zip(client_key, signature, strict=True))
    final = yield f"{bare},p={base64.b64encode(proof).decode()}".encode()
    server_key = hmac.digest(salted, b"Server Key", kind)
    if not hmac.compare_digest(_bytes(_fields(final), "v"), hmac.digest(server_key, message, kind)):
        raise LoginRefused("the broker could not prove that it knows the password")


def _fields(answer: bytes) -> dict[str, str]:
    try:
        parts = answer.decode("ascii").split(",")
    except UnicodeDecodeError:
        raise LoginRefused("the broker's SCRAM answer is not text") from None
    fields = {part[:1]: part[2:] for part in parts if part[1:2] == "="}
    if "e" in fields:
        raise LoginRefused(f"the broker refused the login: {fields['e']}")
    return fields


def _bytes(fields: dict[str, str], name: str) -> bytes:
    try:
        return base64.b64decode(fields[name], validate=True)
    except (KeyError, ValueError):
        raise LoginRefused(f"the broker's SCRAM answer has no {name}=") from None


def _mechanism(given: dict[str, str]) -> str:
    return (given.get("sasl.mechanisms") or given.get("sasl.mechanism") or "GSSAPI").upper()


def _problems(given: dict[str, str]) -> Iterator[Problem]:
    protocol = given.get("security.protocol", PLAINTEXT)
    if protocol.upper() not in PROTOCOLS:
        yield Problem("security.protocol", protocol, f"is none of {', '.join(PROTOCOLS)}")
    if protocol.upper().endswith("SSL"):
        for name, why in _REFUSED.items():
            if name in given:
                yield Problem(name, "[hidden]" if name.endswith(".pem") else given[name], why)
    if not protocol.upper().startswith("SASL_"):
        return
    mechanism = _mechanism(given)
    if mechanism not in MECHANISMS:
        why = f"{mechanism} is for tasks; the worker's own connections log in with {', '.join(MECHANISMS)}"
        yield Problem("sasl.mechanism", mechanism, why)
    elif not given.get("sasl.username") or "sasl.password" not in given:
        module = "plain.PlainLoginModule" if mechanism == "PLAIN" else "scram.ScramLoginModule"
        line = f'org.apache.kafka.common.security.{module} required username="..." password="...";'
        yield Problem("sasl.jaas.config", None, f"names who logs in: {line}")
