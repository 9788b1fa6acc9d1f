"""Keys of ProtobufConverter besides the registry's, and the names that its schemas carry.

Source: Confluent `io.confluent.connect.protobuf.ProtobufDataConfig`.
"""

from __future__ import annotations

from tidelock.config import Importance, key
from tidelock.connect.converters.registry.settings import RegistrySettings

LOW = Importance.LOW
NAMESPACE = "io.confluent.connect.protobuf"
ENUM = f"{NAMESPACE}.Enum"
UNION = f"{NAMESPACE}.Union."
TAG = f"{NAMESPACE}.Tag"
TYPE = f"{NAMESPACE}.Type"
WRAPPER = f"{NAMESPACE}.Wrapper"
CONNECT_TYPE = "connect.type"
PRECISION = "connect.decimal.precision"
DEFAULT_NAME = "ConnectDefault"


class ProtobufConverterSettings(RegistrySettings):
    """Keys of ProtobufConverter."""

    enhanced_protobuf_schema_support: bool = key(
        default=False, doc="Whether names of messages keep their package."
    )
    scrub_invalid_names: bool = key(
        default=False, doc="Whether names that Protobuf does not allow are written in a form that it allows."
    )
    int_for_enums: bool = key(default=False, doc="Whether enums are whole numbers, not texts.")
    optional_for_nullables: bool = key(
        default=False, doc="Whether what may be null is optional in proto3's sense, and only that."
    )
    optional_for_proto2: bool = key(default=True, doc="Whether proto2's optional fields may be null.")
    wrapper_for_nullables: bool = key(
        default=False, doc="Whether what may be null is a wrapper message, and only that."
    )
    wrapper_for_raw_primitives: bool = key(
        default=True, doc="Whether a wrapper message is the value in it, where it is the whole record."
    )
    generate_struct_for_nulls: bool = key(
        default=False,
        importance=LOW,
        doc="Whether what a message has not got is read as its default, not null.",
    )
    generate_index_for_unions: bool = key(
        default=True, importance=LOW, doc="Whether a oneof's field has the oneof's number in its name."
    )
    flatten_unions: bool = key(
        default=False, importance=LOW, doc="Whether a oneof's members are fields of the message."
    )
