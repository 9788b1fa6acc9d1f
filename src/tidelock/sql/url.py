"""Database addresses: SQLAlchemy's and JDBC's URLs, read into one form.

`postgresql://`, `mysql://`, `mariadb://` and `sqlite:///` as SQLAlchemy spells them, and
`jdbc:postgresql:`, `jdbc:mysql:`, `jdbc:mariadb:`, `jdbc:sqlite:` as connector configurations have them.
The driver is always ours (psycopg, PyMySQL, the standard library's sqlite3); a driver named in the URL is
replaced by it. A password never appears in an error, a log or a `repr`: print `shown(url)`.

Java drivers ignore parameters that they do not know, and so does this reader: the ones that steer a Java
driver's own tricks (`rewriteBatchedStatements`) have no counterpart here because our writers always batch.
"""

from __future__ import annotations

import importlib.util
import re
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from tidelock.sql.errors import DriverMissing, UnsupportedDatabase

# dialect name -> (SQLAlchemy driver name, module to import, extra of tidelock that installs it)
DRIVERS = {
    "postgresql": ("postgresql+psycopg", "psycopg", "postgres"),
    "mysql": ("mysql+pymysql", "pymysql", "mysql"),
    "mariadb": ("mariadb+pymysql", "pymysql", "mysql"),
    "sqlite": ("sqlite+pysqlite", "sqlite3", ""),
}
ALIASES = {"postgres": "postgresql"}
EXAMPLES = "sqlite:///shop.db, postgresql://user:password@host/shop, mysql://user:password@host/shop"

# JDBC parameter -> query key of our driver; every other JDBC parameter steers the Java driver only.
_JDBC_PARAMETERS = {
    "postgresql": {
        "sslmode": "sslmode",
        "sslrootcert": "sslrootcert",
        "ApplicationName": "application_name",
        "connectTimeout": "connect_timeout",
    },
    "mysql": {"localSocket": "unix_socket"},
    "mariadb": {"localSocket": "unix_socket"},
    "sqlite": {},
}


def parse_url(text: str | URL, *, user: str | None = None, password: str | None = None) -> URL:
    """Read a database address.

    Args:
        text: an SQLAlchemy or JDBC URL.
        user: overrides the user in the URL (Connect's `connection.user`).
        password: overrides the password in the URL.

    Raises:
        UnsupportedDatabase: not a URL, or of a database that we do not speak; exit code 2.
    """
    url = _read(text) if isinstance(text, str) else text
    name = ALIASES.get(url.get_backend_name(), url.get_backend_name())
    if name not in DRIVERS:
        raise UnsupportedDatabase(f"tidelock does not speak to a {name!r} database", hint=f"use {EXAMPLES}")
    url = url.set(drivername=DRIVERS[name][0])
    if user is not None:
        url = url.set(username=user)
    if password is not None:
        url = url.set(password=password)
    return url


def shown(url: str | URL) -> str:
    """Return the address without its password, for people to read."""
    return parse_url(url).set(drivername=parse_url(url).get_backend_name()).render_as_string()


def require_driver(url: URL) -> None:
    """Check that the driver for this address is installed.

    Raises:
        DriverMissing: with the one command that installs it.
    """
    name = url.get_backend_name()
    _, module, extra = DRIVERS[name]
    if importlib.util.find_spec(module) is None:
        raise DriverMissing(
            f"the {name} driver ({module}) is not installed", hint=f"pip install 'tidelock[{extra}]'"
        )


def _read(text: str) -> URL:
    text = text.strip()
    if text.startswith("jdbc:"):
        return _read_jdbc(text.removeprefix("jdbc:"))
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        hint = f"sqlite:///{text}" if re.fullmatch(r"[\w./~-]+\.(db|sqlite3?)", text) else EXAMPLES
        raise UnsupportedDatabase(
            f"{_without_password(text)!r} is not a database URL", hint=f"use {hint}"
        ) from None


def _read_jdbc(rest: str) -> URL:
    name, _, location = rest.partition(":")
    if name == "sqlite":
        return URL.create("sqlite", database=location.partition("?")[0] or ":memory:")
    if name not in _JDBC_PARAMETERS:
        raise UnsupportedDatabase(f"tidelock does not speak jdbc:{name}", hint=f"use {EXAMPLES}")
    if not location.startswith("//"):  # jdbc:postgresql:shop means localhost
        location = f"//localhost/{location}"
    parts = urlsplit(f"{name}:{location}")
    given = dict(parse_qsl(parts.query))
    known = _JDBC_PARAMETERS[name]
    query = {known[key]: value for key, value in given.items() if key in known}
    if "currentSchema" in given:
        query["options"] = f"-csearch_path={given['currentSchema']}"
    return URL.create(
        name,
        username=given.get("user", unquote(parts.username) if parts.username else None),
        password=given.get("password", unquote(parts.password) if parts.password else None),
        host=parts.hostname,
        port=_port(parts, rest),
        database=unquote(parts.path.lstrip("/")) or None,
        query=query,
    )


def _port(parts: SplitResult, rest: str) -> int | None:
    try:
        return parts.port
    except ValueError:
        raise UnsupportedDatabase(
            f"'jdbc:{_without_password(rest)}' has no usable port",
            hint="name one host, as in jdbc:postgresql://host:5432/shop",
        ) from None


def _without_password(text: str) -> str:
    hidden = re.sub(r"(:)[^:@/]*(@)", r"\1***\2", text)
    return re.sub(r"(?i)(password=)[^&]*", r"\1***", hidden)
