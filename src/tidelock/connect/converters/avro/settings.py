"""Keys of AvroConverter besides the registry's.

Source: Confluent `io.confluent.connect.{avro.AvroDataConfig, schema.AbstractDataConfig}`.
"""

from __future__ import annotations

from tidelock.config import Importance, key
from tidelock.connect.converters.registry.settings import RegistrySettings

LOW = Importance.LOW
NAMESPACE = "io.confluent.connect.avro"
DEFAULT_NAME = "ConnectDefault"


class AvroConverterSettings(RegistrySettings):
    """Keys of AvroConverter."""

    enhanced_avro_schema_support: bool = key(
        default=False, doc="Whether enums stay enums when they are written again."
    )
    connect_meta_data: bool = key(
        default=True, importance=LOW, doc="Whether Avro schemas carry what only Connect's have."
    )
    scrub_invalid_names: bool = key(
        default=False, doc="Whether names that Avro does not allow are written in a form that it allows."
    )
    allow_optional_map_keys: bool = key(
        default=False, importance=LOW, doc="Whether a map with optional text keys is an Avro map."
    )
    flatten_singleton_unions: bool = key(
        default=True, importance=LOW, doc="Whether a union of one type is that type."
    )
