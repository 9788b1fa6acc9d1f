"""Client configuration in Java's, aiokafka's or librdkafka's spelling, for librdkafka.

    ClientSettings.parse({"bootstrap.servers": "localhost:9092", "sasl.jaas.config": "...", ...})

All problems are reported at once, an unknown key with the nearest known one. Secrets stay hidden until
`for_librdkafka` hands them over. Values are checked by librdkafka when a client is made. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tidelock.client.jaas import MECHANISMS, parse_jaas
from tidelock.client.keys import AIOKAFKA, CONVERTED, IGNORED, JAVA, LIBRDKAFKA, REFUSED, SECRET_WORDS
from tidelock.config import ConfigError, Problem, Secret, nearest

DEFAULT_BOOTSTRAP = "localhost:9092"

_PARTITIONERS = {
    "DefaultPartitioner": "murmur2_random",
    "UniformStickyPartitioner": "murmur2_random",
    "RoundRobinPartitioner": "random",
}
_ASSIGNORS = {
    "RangeAssignor": "range",
    "RoundRobinAssignor": "roundrobin",
    "CooperativeStickyAssignor": "cooperative-sticky",
}
_RESETS = ("earliest", "latest", "smallest", "largest", "beginning", "end", "error")
_OIDC_CALLBACK = "OAuthBearerLoginCallbackHandler"


@dataclass(frozen=True)
class ClientSettings:
    """The keys of one client under librdkafka's names; printing it shows no secret."""

    properties: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, given: Mapping[str, object], *, where: str | None = None) -> ClientSettings:
        """Read keys in any of the three spellings.

        Args:
            given: key to value; None means not given, a list is joined by commas.
            where: file or command line they come from, for the error text.

        Raises:
            ConfigError: unknown keys, keys that cannot be carried over, contradictions: all of them.
        """
        reader = _Reader()
        for name, value in given.items():
            if value is not None:
                reader.take(name, _text(value))
        reader.finish()
        if reader.problems:
            raise ConfigError(tuple(reader.problems), where=where)
        return cls(reader.found)

    @property
    def bootstrap(self) -> str:
        """HOST:PORT, several by commas."""
        named = self.properties.get("bootstrap.servers") or self.properties.get("metadata.broker.list")
        return named or DEFAULT_BOOTSTRAP

    def for_librdkafka(self, defaults: Mapping[str, str], forced: Mapping[str, str]) -> dict[str, str]:
        """Return librdkafka's dictionary, secrets in clear: defaults, then what was given, then `forced`."""
        plain = {
            name: value.reveal() if isinstance(value, Secret) else value
            for name, value in self.properties.items()
        }
        return {"bootstrap.servers": self.bootstrap, **defaults, **plain, **forced}


def settings_of(given: ClientSettings | Mapping[str, object] | str) -> ClientSettings:
    """Return settings for what a caller may give: settings, keys, or just a bootstrap address."""
    if isinstance(given, ClientSettings):
        return given
    return ClientSettings.parse({"bootstrap.servers": given} if isinstance(given, str) else given)


def known_keys() -> tuple[str, ...]:
    """Every key that is understood, in dotted spelling."""
    return tuple(sorted(LIBRDKAFKA | JAVA.keys() | IGNORED | REFUSED.keys() | CONVERTED))


class _Reader:
    """Collects what is found and what is wrong, key by key."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self.source: dict[str, str] = {}
        self.problems: list[Problem] = []
        self.converted: dict[str, tuple[str, str]] = {}

    def take(self, given: str, value: str) -> None:
        name = given if given in LIBRDKAFKA else AIOKAFKA.get(given, _dotted(given))
        if name in CONVERTED:
            self.converted[name] = (given, value)
        elif name in JAVA:
            self.put(JAVA[name], value, given)
        elif name in LIBRDKAFKA:
            self.put(name, value, given)
        elif name in REFUSED:
            self.problem(given, value, REFUSED[name])
        elif name not in IGNORED:
            near = nearest(name, known_keys())
            underscored = near is not None and "." not in given and "_" in given
            self.problem(
                given, value, "is not a known key", near.replace(".", "_") if near and underscored else near
            )

    def put(self, name: str, value: str, given: str) -> None:
        before = self.found.get(name)
        secret = any(word in name for word in SECRET_WORDS)
        if before is not None and _reveal(before) != value:
            self.problem(given, value, f"says something else than {self.source[name]}")
            return
        self.found[name] = Secret(value) if secret else value
        self.source[name] = given

    def problem(self, given: str, value: str, why: str, near: str | None = None) -> None:
        hidden = any(word in given or word in (near or "") for word in SECRET_WORDS)
        shown = "[hidden]" if hidden else value
        self.problems.append(Problem(given, shown, why, near))

    def finish(self) -> None:
        """Convert the keys whose values need it; stores come last, they look at their types."""
        for name, convert in _CONVERSIONS.items():
            if name in self.converted:
                given, value = self.converted[name]
                convert(self, given, value)
        for kind, targets in _STORES.items():
            self.store(kind, targets)

    def store(self, kind: str, targets: tuple[str, ...]) -> None:
        """A key store or trust store: PEM files are librdkafka's own; a PKCS#12 key store it reads too."""
        given, location = self.converted.get(f"ssl.{kind}.location", ("", ""))
        if not location:
            return
        _, kind_given = self.converted.get(f"ssl.{kind}.type", ("", ""))
        kind_name = kind_given.upper() or _type_of(location)
        password_key, password = self.converted.get(f"ssl.{kind}.password", ("", ""))
        if kind_name == "PEM":
            for target in targets:
                self.put(target, location, given)
        elif kind_name == "PKCS12" and kind == "keystore":
            self.put("ssl.keystore.location", location, given)
            if password:
                self.put("ssl.keystore.password", password, password_key)
        else:
            to_pem = (
                f"keytool -importkeystore -srckeystore {location} -destkeystore s.p12 -deststoretype PKCS12"
            )
            self.problem(
                given, location, f"is a {kind_name} {kind}; give PEM ({to_pem}; openssl pkcs12 -in s.p12)"
            )


def _buffer_memory(reader: _Reader, given: str, value: str) -> None:
    if not value.isdigit():
        reader.problem(given, value, f"{value!r} is not a whole number")
        return
    reader.put("queue.buffering.max.kbytes", str(max(1, int(value) // 1024)), given)


def _partitioner(reader: _Reader, given: str, value: str) -> None:
    short = value.rpartition(".")[2]
    if short in _PARTITIONERS:
        reader.put("partitioner", _PARTITIONERS[short], given)
    else:
        reader.problem(
            given, value, f"{short} is a Java class without a counterpart; leave it out for Java's default"
        )


def _assignors(reader: _Reader, given: str, value: str) -> None:
    names = [name.strip() for name in value.split(",")]
    shorts = [_ASSIGNORS.get(name.rpartition(".")[2], name) for name in names]
    unknown = [name for name in shorts if name not in _ASSIGNORS.values()]
    if unknown:
        reader.problem(given, value, f"{unknown[0]} is none of {', '.join(_ASSIGNORS)}")
    else:
        reader.put("partition.assignment.strategy", ",".join(shorts), given)


def _offset_reset(reader: _Reader, given: str, value: str) -> None:
    lowered = "error" if value.lower() == "none" else value.lower()
    if lowered in _RESETS:
        reader.put("auto.offset.reset", lowered, given)
    else:
        reader.problem(given, value, f"{value!r} is not earliest, latest or none")


def _identification(reader: _Reader, given: str, value: str) -> None:
    reader.put("ssl.endpoint.identification.algorithm", value.lower() or "none", given)


def _check_hostname(reader: _Reader, given: str, value: str) -> None:
    reader.put("ssl.endpoint.identification.algorithm", "https" if value == "true" else "none", given)


def _login(reader: _Reader, given: str, value: str) -> None:
    try:
        module, options = parse_jaas(value)
    except ValueError as error:
        reader.problem(given, value, str(error))
        return
    for name, option in options.items():
        reader.put(name, option, given)
    if (
        module in MECHANISMS
        and "sasl.mechanisms" not in reader.found
        and "sasl.mechanism" not in reader.found
    ):
        reader.put("sasl.mechanisms", MECHANISMS[module], given)
    if module == "OAuthBearerLoginModule" and "sasl.oauthbearer.client.id" in options:
        reader.put("sasl.oauthbearer.method", "oidc", given)


def _login_callback(reader: _Reader, given: str, value: str) -> None:
    if value.rpartition(".")[2] == _OIDC_CALLBACK:
        reader.put("sasl.oauthbearer.method", "oidc", given)
    else:
        reader.problem(given, value, "is a Java class, which cannot run here")


_CONVERSIONS: dict[str, Callable[[_Reader, str, str], None]] = {
    "buffer.memory": _buffer_memory,
    "partitioner.class": _partitioner,
    "partition.assignment.strategy": _assignors,
    "auto.offset.reset": _offset_reset,
    "ssl.endpoint.identification.algorithm": _identification,
    "ssl.check.hostname": _check_hostname,
    "sasl.jaas.config": _login,
    "sasl.login.callback.handler.class": _login_callback,
}
_STORES = {
    "truststore": ("ssl.ca.location",),
    "keystore": ("ssl.certificate.location", "ssl.key.location"),
}


def _dotted(name: str) -> str:
    return name if "." in name else name.replace("_", ".")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ",".join(str(one) for one in value)
    return str(value).strip()


def _reveal(value: str) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _type_of(location: str) -> str:
    """The type of a store by its name; Java's default is JKS."""
    ending = location.rpartition(".")[2].lower()
    return {"pem": "PEM", "crt": "PEM", "cer": "PEM", "p12": "PKCS12", "pfx": "PKCS12"}.get(ending, "JKS")
