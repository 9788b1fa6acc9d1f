"""The .proto files that everybody imports and no registry has to keep.

The library carries Google's own; dates, times of day and Confluent's decimal are here, as facts: names,
numbers and types of their fields. What only declares options is left out.
"""

from __future__ import annotations

import importlib
from typing import Any

from tidelock.connect.converters.protobuf.read_text import read_text

DECIMAL, DATE = "confluent.type.Decimal", "google.type.Date"
TIME, TIMESTAMP = "google.type.TimeOfDay", "google.protobuf.Timestamp"
FILES = {
    DECIMAL: "confluent/type/decimal.proto",
    DATE: "google/type/date.proto",
    TIME: "google/type/timeofday.proto",
    TIMESTAMP: "google/protobuf/timestamp.proto",
}
WRAPPERS_FILE = "google/protobuf/wrappers.proto"
WRAPPERS = {
    f"google.protobuf.{name}Value": kind
    for name, kind in (
        ("Double", "double"),
        ("Float", "float"),
        ("Int64", "int64"),
        ("UInt64", "uint64"),
        ("Int32", "int32"),
        ("UInt32", "uint32"),
        ("Bool", "bool"),
        ("String", "string"),
        ("Bytes", "bytes"),
    )
}
IGNORED = ("confluent/meta.proto", "gogoproto/gogo.proto", "google/protobuf/descriptor.proto")
_TEXTS = {
    FILES[DECIMAL]: """syntax = "proto3"; package confluent.type;
        message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }""",
    FILES[DATE]: """syntax = "proto3"; package google.type;
        message Date { int32 year = 1; int32 month = 2; int32 day = 3; }""",
    FILES[TIME]: """syntax = "proto3"; package google.type;
        message TimeOfDay { int32 hours = 1; int32 minutes = 2; int32 seconds = 3; int32 nanos = 4; }""",
}
_GOOGLE = ("any", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers")


def known_file(name: str) -> Any:
    """Return the descriptor of a file that everybody has; None where it is not one of them."""
    if name in _TEXTS:
        return read_text(_TEXTS[name], name).descriptor
    for one in _GOOGLE:
        if name == f"google/protobuf/{one}.proto":
            module = importlib.import_module(f"google.protobuf.{one}_pb2")
            from google.protobuf import descriptor_pb2

            made = descriptor_pb2.FileDescriptorProto()
            module.DESCRIPTOR.CopyToProto(made)
            return made
    return None
