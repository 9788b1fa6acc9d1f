"""Keys of JsonSchemaConverter besides the registry's.

Source: Confluent `io.confluent.connect.json.{JsonSchemaDataConfig, JsonSchemaConverterConfig}`,
`io.confluent.kafka.serializers.json.KafkaJsonSchemaSerializerConfig`.
"""

from __future__ import annotations

from tidelock.config import Importance, key
from tidelock.connect.converters.registry.settings import RegistrySettings

LOW = Importance.LOW
NAMESPACE = "io.confluent.connect.json"
ONE_OF = f"{NAMESPACE}.OneOf"
ENUM = f"{NAMESPACE}.Enum"


def _is_decimal_format(value: str) -> str | None:
    return None if value.upper() in ("BASE64", "NUMERIC") else f"{value!r} is not BASE64 or NUMERIC"


class JsonSchemaConverterSettings(RegistrySettings):
    """Keys of JsonSchemaConverter."""

    object_additional_properties: bool = key(
        default=True, doc="Whether objects may have properties that their schema does not name."
    )
    use_optional_for_nonrequired: bool = key(
        default=False, doc="Whether a property that is not required is an optional field."
    )
    decimal_format: str = key(
        default="BASE64",
        importance=LOW,
        check=_is_decimal_format,
        doc="How decimals are written: BASE64 (exact bytes) or NUMERIC (JSON numbers). Both are read.",
    )
    flatten_singleton_unions: bool = key(
        default=True, importance=LOW, doc="Whether a oneOf of one schema is that schema."
    )
    json_fail_invalid_schema: bool = key(
        default=False, importance=LOW, doc="Whether records that their schema does not allow are refused."
    )
