"""InnoDB's list of transactions counts only if it has the question in it."""

import logging
import random
import re
from typing import Any

import pytest

from tidelock.connect.connectors.jdbc.source import innodb
from tidelock.connect.connectors.jdbc.source.innodb import PAUSES, Listed, writers_of
from tidelock.connect.connectors.jdbc.source.writers import Writers

PROOF = Listed(0, is_own=True, has_written=False, is_running=True, has_nonce=True)
FIVE = frozenset({"5"})
MYSQL_READER = (1 << 48) + 0x7F00  # MySQL's name of a transaction without an id


def other(number: int, *, wrote: bool = False, runs: bool = False, nonce: bool = False) -> Listed:
    return Listed(number, is_own=False, has_written=wrote, is_running=runs, has_nonce=nonce)


@pytest.mark.parametrize(
    "listed",
    [
        [],
        [other(7, wrote=True)],
        [PROOF._replace(has_nonce=False), other(7, wrote=True)],  # as it was at an earlier question
        [other(7, runs=True, nonce=True)],  # somebody who quotes us
    ],
)
def test_a_list_without_the_question_says_nothing(listed: list[Listed]) -> None:
    assert writers_of(listed) is None


def test_who_wrote_and_who_runs_a_statement_may_be_writing() -> None:
    listed = [other(5, wrote=True), other(6, runs=True), other(7), PROOF, other(8, wrote=True, runs=True)]
    assert writers_of(listed) == frozenset({"5", "6", "8"})


def test_readers_and_oneself_are_no_writers() -> None:
    listed = [PROOF._replace(id=MYSQL_READER), other(0, runs=True), other(MYSQL_READER + 1, runs=True)]
    assert writers_of(listed) == frozenset()
    assert writers_of([PROOF._replace(id=9, has_written=True)]) == frozenset()


class Rows(list[Any]):
    def fetchall(self) -> "Rows":
        return self


class Server:
    """Has a copy of the list, renewed by a look after a pause of more than `idle` s; as a connection.

    Args:
        idle: None: somebody else reads the list all the time, and it is never renewed.
        renewed_in_pause: somebody else's look renews it during the first pause.
    """

    def __init__(self, idle: float | None, *, renewed_in_pause: bool = False) -> None:
        self.idle = idle
        self.renewed_in_pause = renewed_in_pause
        self.statements: list[str] = []
        self.writers = ["5"]
        self.copy, self.copied_query = ["4"], "SELECT 'tidelock-0'"  # the old one
        self.slept = 0.0

    @property
    def pauses(self) -> list[float]:
        found = [re.search(r"SLEEP\((.*)\)", statement) for statement in self.statements]
        return [float(one[1]) for one in found if one]

    def renew(self, statement: str) -> None:
        self.copy, self.copied_query = list(self.writers), statement

    def exec_driver_sql(self, statement: str) -> Rows:
        self.statements.append(statement)
        if "SLEEP" in statement:
            self.slept = self.pauses[-1]
            if self.renewed_in_pause:
                self.renew(statement)
                self.slept = 0.0
        if "innodb_trx" not in statement:
            return Rows()
        if self.idle is not None and self.slept >= self.idle:
            self.renew(statement)
        self.slept = 0.0
        asked = re.search(r"LOCATE\('(.*?)'", statement)
        assert asked
        own = (0, 1, 0, 1, int(asked[1] in self.copied_query))
        return Rows([own, *((int(name), 0, 1, 0, 0) for name in self.copy)])


def ask(server: Server) -> frozenset[str] | None:
    return innodb.ask(server, random.Random(3))  # type: ignore[arg-type]


def test_a_fresh_list_is_taken_at_once() -> None:
    server = Server(idle=0.0)
    assert ask(server) == FIVE
    assert server.statements[0].startswith("START TRANSACTION")
    assert server.pauses == []


def test_an_old_list_is_asked_for_again_after_a_pause() -> None:
    server = Server(idle=0.1)
    assert ask(server) == FIVE
    assert len(server.pauses) == 1
    server = Server(idle=0.4)
    assert ask(server) == FIVE
    assert all(least <= pause <= 2 * least for least, pause in zip(PAUSES, server.pauses, strict=False))


def test_a_list_that_somebody_else_renewed_in_the_pause_is_as_good() -> None:
    server = Server(idle=None, renewed_in_pause=True)
    assert ask(server) == FIVE
    assert len(server.pauses) == 1


def test_no_question_is_proved_by_the_one_before() -> None:
    server, rng = Server(idle=0.0), random.Random(3)
    assert innodb.ask(server, rng) == FIVE  # type: ignore[arg-type]
    server.idle, server.writers = None, []
    assert innodb.ask(server, rng) is None  # type: ignore[arg-type]


def test_a_list_that_stays_old_is_no_answer_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Server(idle=None)
    writers = Writers("mysql", "`orders`", random.Random(3))
    with caplog.at_level(logging.WARNING):
        assert writers.ask(server) is None  # type: ignore[arg-type]
        assert writers.ask(server) is None  # type: ignore[arg-type]
    assert len(server.pauses) == 2 * len(PAUSES)
    assert [record.getMessage().count("`orders`") for record in caplog.records] == [1]
    server.idle = 0.1
    assert writers.ask(server) == FIVE  # type: ignore[arg-type]
