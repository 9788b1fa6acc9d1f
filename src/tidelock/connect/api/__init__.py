"""What plugin authors import: connectors, tasks, records, schemas, converters.

    class MySink(SinkConnector):
        settings = MySettings
        task_class = MySinkTask

A package offers its connectors by the entry point group `tidelock.connectors`. Everything here is free of IO;
a plugin sees this package and never the worker. The design page is docs/design/connect.md.
"""

from tidelock.connect.api.connector import Connector, SinkConnector, SourceConnector
from tidelock.connect.api.context import (
    ConnectorContext,
    SinkTaskContext,
    SourceTaskContext,
    TransactionContext,
)
from tidelock.connect.api.converter import Converter, NoSettings, Run
from tidelock.connect.api.errors import ConnectError, DataError, PluginNotFound, RetriableError
from tidelock.connect.api.javadate import DateFormat, date_format
from tidelock.connect.api.logical import LogicalType, logical_type
from tidelock.connect.api.record import (
    ColumnRows,
    Header,
    Headers,
    RecordBatch,
    SinkRecord,
    SourceBatch,
    SourceRecord,
    StructRows,
    TopicPartition,
    last_header,
    offsets_of,
)
from tidelock.connect.api.schema import DATE, DECIMAL, TIME, TIMESTAMP, Field, Schema, Type
from tidelock.connect.api.struct import Struct, infer_schema, validate
from tidelock.connect.api.task import Offsets, SinkTask, SourceTask, Task
from tidelock.connect.api.transform import Predicate, Record, Transform
from tidelock.connect.api.values import as_instant, float32, float_text, parse_text, to_text

__all__ = [
    "DATE",
    "DECIMAL",
    "TIME",
    "TIMESTAMP",
    "ColumnRows",
    "ConnectError",
    "Connector",
    "ConnectorContext",
    "Converter",
    "DataError",
    "DateFormat",
    "Field",
    "Header",
    "Headers",
    "LogicalType",
    "NoSettings",
    "Offsets",
    "PluginNotFound",
    "Predicate",
    "Record",
    "RecordBatch",
    "RetriableError",
    "Run",
    "Schema",
    "SinkConnector",
    "SinkRecord",
    "SinkTask",
    "SinkTaskContext",
    "SourceBatch",
    "SourceConnector",
    "SourceRecord",
    "SourceTask",
    "SourceTaskContext",
    "Struct",
    "StructRows",
    "Task",
    "TopicPartition",
    "TransactionContext",
    "Transform",
    "Type",
    "as_instant",
    "date_format",
    "float32",
    "float_text",
    "infer_schema",
    "last_header",
    "logical_type",
    "offsets_of",
    "parse_text",
    "to_text",
    "validate",
]
