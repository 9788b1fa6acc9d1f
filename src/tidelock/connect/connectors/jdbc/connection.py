"""The keys of a SQL connector's connection, and what can be said of them without a server.

Shared by the source and the sink. Imports tidelock.config and tidelock.sql.

Source: Confluent `io.confluent.connect.jdbc.{source.JdbcSourceConnectorConfig, sink.JdbcSinkConfig}`.
"""

from __future__ import annotations

import zoneinfo

from sqlalchemy.engine import URL

from tidelock.config import Importance, Secret, Settings, key
from tidelock.errors import TidelockError
from tidelock.sql import open_engine, parse_url

HIGH, LOW = Importance.HIGH, Importance.LOW


def known_database(text: str) -> str | None:
    """Return why a URL is none of a database that is spoken here, with its driver; None when it is one."""
    if text.startswith("${"):  # a reference; whoever cannot resolve it says so
        return None
    try:
        open_engine(text).dispose()
    except TidelockError as error:
        return f"{error.what}; {error.hint}" if error.hint else error.what
    return None


class ConnectionSettings(Settings):
    """Where the database is."""

    connection_url: str = key(
        importance=HIGH,
        group="Connection",
        check=known_database,
        doc="JDBC or SQLAlchemy URL of the database, e.g. jdbc:postgresql://localhost/shop or sqlite:///shop.db.",
    )
    connection_user: str | None = key(default=None, importance=HIGH, group="Connection", doc="User name.")
    connection_password: Secret | None = key(
        default=None, importance=HIGH, group="Connection", doc="Password; never shown again."
    )
    connection_attempts: int = key(
        default=3, at_least=1, importance=LOW, group="Connection", doc="Attempts to connect at start."
    )
    connection_backoff_ms: int = key(
        default=10_000, at_least=0, importance=LOW, group="Connection", doc="Pause between these attempts."
    )
    dialect_name: str = key(
        default="", importance=LOW, group="Connection", doc="Accepted; the URL decides the dialect."
    )


def url_of(settings: ConnectionSettings) -> URL:
    """Return the address with user and password in it.

    Raises:
        UnsupportedDatabase: it is none, or of a database that we do not speak.
    """
    password = settings.connection_password
    return parse_url(
        settings.connection_url,
        user=settings.connection_user,
        password=password.reveal() if password is not None else None,
    )


def known_zone(name: str) -> str | None:
    """Return what is wrong with the name of a time zone, or None."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return f"{name!r} is not a time zone; use UTC or a name such as Asia/Seoul"
    return None
