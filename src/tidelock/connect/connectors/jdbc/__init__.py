"""The SQL connectors; `JdbcSinkConnector` answers to Confluent's and Aiven's class names.

Imported by name when a configuration asks for it: SQLAlchemy is not loaded before.
"""

ALIASES = (
    "JdbcSinkConnector",
    "JdbcSink",
    "io.confluent.connect.jdbc.JdbcSinkConnector",
    "io.aiven.connect.jdbc.JdbcSinkConnector",
)
