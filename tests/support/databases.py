"""Real database servers for the tests: one per session, a fresh database per test, skipped with a reason.

The servers run as the tests' user (PostgreSQL refuses root and then runs as `postgres`), on free loopback
ports, with their data in a temporary folder, as nothing but child processes of the tests.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy.engine import URL

from tests.support.waiting import eventually

_numbers = itertools.count(1)


@dataclass
class Server:
    """A running server; `database()` makes an empty database and returns its URL."""

    name: str
    admin: URL
    log: Path
    create: tuple[str, ...]
    process: subprocess.Popen[bytes] = field(repr=False)

    def database(self) -> URL:
        name = f"t{os.getpid()}_{next(_numbers)}"
        engine = sqlalchemy.create_engine(self.admin, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in self.create:
                connection.exec_driver_sql(statement.format(name=name))
        engine.dispose()
        return self.admin.set(database=name)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def postgres_folder() -> Path | None:
    """Return where initdb and postgres are: on PATH, or in the newest of Debian's version folders."""
    found = shutil.which("initdb")
    if found and shutil.which("postgres"):
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


@contextlib.contextmanager
def postgres_server(folder: Path) -> Iterator[Server]:
    """Start PostgreSQL with its data below `folder`."""
    binaries = postgres_folder()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian package postgresql)")
    as_user: dict[str, object] = {}
    if os.geteuid() == 0:
        as_user = {"user": "postgres", "group": "postgres", "extra_groups": []}
        shutil.chown(folder, "postgres", "postgres")
    data, log = folder / "data", folder / "postgres.log"
    initdb = [binaries / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "-N"]
    made = subprocess.run(
        [*initdb, "--locale=C.UTF-8"], capture_output=True, text=True, check=False, cwd="/", **as_user
    )
    assert made.returncode == 0, made.stdout + made.stderr
    port = free_port()
    settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "wal_level": "logical"}
    options = [option for key, value in settings.items() for option in ("-c", f"{key}={value}")]
    command = [str(binaries / "postgres"), "-D", str(data), "-p", str(port), *options]
    admin = URL.create("postgresql+psycopg", "postgres", host="127.0.0.1", port=port, database="postgres")
    with running("postgresql", command, log, as_user) as process:
        wait_for(admin, process, log)
        yield Server("postgresql", admin, log, ('CREATE DATABASE "{name}"',), process)


@contextlib.contextmanager
def mariadb_server(folder: Path) -> Iterator[Server]:
    """Start MariaDB with its data below `folder`; its default character set stays latin1, as on Debian."""
    daemon = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")
    if daemon is None or shutil.which("mariadb-install-db") is None:
        pytest.skip("MariaDB is not installed (Debian package mariadb-server)")
    data, log, user = folder / "data", folder / "mariadb.log", os.environ.get("USER", "root")
    user = "root" if os.geteuid() == 0 else user
    install = ["mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal"]
    made = subprocess.run(
        [*install, "--skip-test-db", f"--user={user}", f"--datadir={data}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    port = free_port()
    command = [daemon, "--no-defaults", f"--user={user}", f"--datadir={data}", f"--port={port}"]
    command += ["--bind-address=127.0.0.1", f"--socket={folder}/s", f"--pid-file={folder}/p"]
    command += ["--log-bin=b", "--binlog-format=ROW", "--binlog-row-metadata=FULL", "--server-id=1"]
    command += ["--performance-schema=OFF", "--character-set-server=latin1"]
    admin = URL.create("mysql+pymysql", "root", host="127.0.0.1", port=port, database="mysql")
    create = ("CREATE DATABASE `{name}` CHARACTER SET latin1",)
    with running("mariadb", command, log, {}) as process:
        wait_for(admin, process, log)
        yield Server("mysql", admin, log, create, process)


@contextlib.contextmanager
def running(
    name: str, command: list[str], log: Path, as_user: dict[str, object]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server as a child until the block ends."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", **as_user
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT if name == "postgresql" else signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(admin: URL, process: subprocess.Popen[bytes], log: Path) -> None:
    engine = sqlalchemy.create_engine(admin)

    def answers() -> bool:
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            with engine.connect() as connection:
                return connection.exec_driver_sql("SELECT 1").scalar() == 1
        except sqlalchemy.exc.OperationalError:
            return False

    eventually(answers, 30)
    engine.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """PostgreSQL for the whole session; `postgres.database()` for an empty database."""
    # Not below pytest's folder: that is closed to all but root, and the server runs as somebody else then.
    with (
        tempfile.TemporaryDirectory(prefix="tidelock-postgres-", ignore_cleanup_errors=True) as folder,
        postgres_server(Path(folder)) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """MariaDB for the whole session; `mariadb.database()` for an empty database."""
    with mariadb_server(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


Databases = Callable[[str], URL]


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Databases:
    """Make an empty database by kind: `sqlite`, `postgresql` or `mysql` (MariaDB)."""

    def make(kind: str) -> URL:
        if kind == "sqlite":
            return URL.create("sqlite", database=str(tmp_path / f"{next(_numbers)}.db"))
        server: Server = request.getfixturevalue("postgres" if kind == "postgresql" else "mariadb")
        return server.database()

    return make


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.needs_db),
        pytest.param("mysql", marks=pytest.mark.needs_db),
    ]
)
def any_database(request: pytest.FixtureRequest, database_url: Databases) -> URL:
    """An empty database of each kind in turn."""
    return database_url(request.param)
