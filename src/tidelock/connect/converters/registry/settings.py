"""Keys of every converter that keeps its schemas in a registry, in Confluent's names.

Source: Confluent `io.confluent.kafka.serializers.AbstractKafkaSchemaSerDeConfig`,
`io.confluent.kafka.schemaregistry.client.SchemaRegistryClientConfig`.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from tidelock.config import Importance, Secret, Settings, key

HIGH, LOW = Importance.HIGH, Importance.LOW
STRATEGIES = ("TopicNameStrategy", "RecordNameStrategy", "TopicRecordNameStrategy")
PACKAGE = "io.confluent.kafka.serializers.subject."


def _are_urls(urls: tuple[str, ...]) -> str | None:
    for one in urls:
        found = urlsplit(one)
        if found.scheme not in ("http", "https") or not found.hostname:
            return f"{one!r} is not http://HOST:PORT or https://HOST:PORT"
    return None if urls else "names no address"


def _is_strategy(name: str) -> str | None:
    if name.removeprefix(PACKAGE) in STRATEGIES:
        return None
    return f"{name!r} is none of {', '.join(STRATEGIES)}"


def _is_user_info(text: Secret) -> str | None:
    return None if not text or ":" in text.reveal() else "is not USER:PASSWORD"


class RegistrySettings(Settings):
    """Where the registry is, and how schemas get there."""

    schema_registry_url: tuple[str, ...] = key(
        importance=HIGH,
        check=_are_urls,
        doc="Addresses of the registry, tried in turn; user and password may stand in them.",
    )
    auto_register_schemas: bool = key(
        default=True, doc="Whether a schema that the registry has not got is registered when it is written."
    )
    use_schema_id: int = key(
        default=-1,
        at_least=-1,
        importance=LOW,
        doc="With auto.register.schemas=false: write with the schema of this id, not the record's own.",
    )
    id_compatibility_strict: bool = key(
        default=True,
        importance=LOW,
        doc="With use.schema.id: whether the record's schema must be compatible with it.",
    )
    use_latest_version: bool = key(
        default=False,
        importance=LOW,
        doc="With auto.register.schemas=false: write with the subject's latest schema, not the record's own.",
    )
    latest_compatibility_strict: bool = key(
        default=True,
        importance=LOW,
        doc="With use.latest.version: whether the record's schema must be compatible with it.",
    )
    normalize_schemas: bool = key(
        default=False, doc="Whether the registry compares schemas in their normal form."
    )
    key_subject_name_strategy: str = key(
        default="TopicNameStrategy", check=_is_strategy, doc="How the subject of a key's schema is named."
    )
    value_subject_name_strategy: str = key(
        default="TopicNameStrategy", check=_is_strategy, doc="How the subject of a value's schema is named."
    )
    basic_auth_credentials_source: str = key(
        default="URL",
        choices=("URL", "USER_INFO"),
        doc="Where user and password are: in the address, or in basic.auth.user.info.",
    )
    basic_auth_user_info: Secret = key(
        default=Secret(""), check=_is_user_info, doc="USER:PASSWORD; never shown again."
    )
    bearer_auth_credentials_source: str = key(
        default="", choices=("", "STATIC_TOKEN"), doc="Whether a token is sent."
    )
    bearer_auth_token: Secret = key(default=Secret(""), doc="The token; never shown again.")
    http_connect_timeout_ms: int = key(
        default=60_000, at_least=1, importance=LOW, doc="How long a connection may take."
    )
    http_read_timeout_ms: int = key(
        default=60_000, at_least=1, importance=LOW, doc="How long an answer may take."
    )
    ssl_ca_location: str = key(
        default="",
        name="schema.registry.ssl.ca.location",
        importance=LOW,
        doc="File of certificates to trust an https registry by (ours; Java's key stores are not read).",
    )
    dry_run: bool = key(
        default=False,
        name="tidelock.dry.run",
        importance=LOW,
        doc="Register nothing: a schema that is not there is only checked for compatibility (ours).",
    )
    ignore_default_for_nullables: bool = key(
        default=False,
        importance=LOW,
        doc="Whether a null stays null where its schema has a default.",
    )
    schemas_cache_size: int = key(default=1000, at_least=1, importance=LOW, doc="Accepted.")
