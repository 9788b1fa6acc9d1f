"""Who is writing in MySQL and MariaDB, proved to be no older than the question.

InnoDB answers `information_schema.innodb_trx` from a copy of its list, which is made anew only when nobody
has read it for 0.1 s. Under frequent readers the copy may be of any age: it lacks a writer that began since,
or names for ever one that is over. So an answer has to prove its age:

1. The reader is in a transaction of its own, so it is in the list itself, with the statement that it runs.
2. Every statement of one question has the question's nonce in it, a literal that no proxy strips.
3. If the copy has the reader's own statement with the nonce, it was made after the question was put. Else
   the reader sleeps in the server, a little longer than 0.1 s, and looks again. It sleeps with the nonce, so
   a copy that some other reader causes meanwhile is a proof too: many readers help each other.
4. After the last pause there is no answer, and whoever asked has to take it that somebody is still writing.

Source: MySQL and MariaDB `storage/innobase/trx/trx0i_s.cc`, CACHE_MIN_IDLE_TIME_US and fill_trx_row.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy.engine import Connection

PAUSES = (0.12, 0.25, 0.5)
"""Seconds to wait between looks, at least; up to twice as long, so that readers do not keep step."""
_REAL = 1 << 48
"""Transactions that have not written or locked are listed as 0 (MariaDB) or from here on (MySQL)."""
_BEGIN = "START TRANSACTION WITH CONSISTENT SNAPSHOT"  # the one form that puts a mere reader in the list
_PAUSE = "SELECT '{nonce}', SLEEP({seconds:.3f})"
_LOOK = (
    "SELECT trx_id, trx_mysql_thread_id = CONNECTION_ID(), trx_rows_modified > 0, trx_query IS NOT NULL, "
    "COALESCE(LOCATE('{nonce}', trx_query) > 0, 0) FROM information_schema.innodb_trx"
)


class Listed(NamedTuple):
    """One transaction of the list.

    Attributes:
        id: InnoDB's.
        is_own: whether it is the transaction of the connection that asks.
        has_written: whether it has changed rows.
        is_running: whether it runs a statement, which may have taken its time or id before it has a row.
        has_nonce: whether that statement has the question's nonce.
    """

    id: int
    is_own: bool
    has_written: bool
    is_running: bool
    has_nonce: bool


def writers_of(listed: Iterable[Listed]) -> frozenset[str] | None:
    """Return the names of those who may be writing; None: the list may be older than the question."""
    transactions = list(listed)
    if not any(one.is_own and one.has_nonce for one in transactions):
        return None
    return frozenset(
        str(one.id)
        for one in transactions
        if 0 < one.id < _REAL and not one.is_own and (one.has_written or one.is_running)
    )


def ask(connection: Connection, rng: random.Random) -> frozenset[str] | None:
    """Ask who may be writing at a moment after the call; None: it cannot be told.

    The connection's transaction ends, and a new one begins; at READ COMMITTED the statements after it see
    what was committed before they began. Takes 2 s at most, beside the statements' own time.

    Raises:
        DBAPIError: the user has no PROCESS privilege, and whatever else a statement may meet.
    """
    nonce = f"tidelock-{rng.getrandbits(64):016x}"
    connection.exec_driver_sql(_BEGIN)
    for pause in (0.0, *PAUSES):
        if pause:
            seconds = pause * (1 + rng.random())
            connection.exec_driver_sql(_PAUSE.format(nonce=nonce, seconds=seconds)).fetchall()
        rows = connection.exec_driver_sql(_LOOK.format(nonce=nonce))
        answer = writers_of(Listed(int(row[0]), *(bool(value) for value in row[1:])) for row in rows)
        if answer is not None:
            return answer
    return None
