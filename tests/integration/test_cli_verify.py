"""`tidelock verify` on SQLite files: exit codes, what is printed, what is wrong in words."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tidelock.cli.main import main

ROWS = [(number, f"customer {number}", number * 10) for number in range(100)]


def database(path: Path, rows: list[tuple[int, str, int]]) -> str:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table orders (id integer primary key, name text, total integer)")
        connection.executemany("insert into orders values (?, ?, ?)", rows)
    return f"sqlite:///{path}"


@pytest.fixture
def halves(tmp_path: Path) -> list[str]:
    one, two = database(tmp_path / "one.db", ROWS[::2]), database(tmp_path / "two.db", ROWS[1::2])
    return ["--source", one, "--source", two]


def test_a_union_that_is_equal(tmp_path: Path, halves: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    target = database(tmp_path / "all.db", ROWS)
    assert main(["verify", "orders", *halves, "--target", target]) == 0
    shown = capsys.readouterr().out
    assert "source rows 100 · target rows 100 · missing 0" in shown
    assert "EQUAL" in shown
    assert main(["verify", "orders", *halves, "--target", target, "--key", "id", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["equal"] is True


def test_rows_that_differ_are_shown(
    tmp_path: Path, halves: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    changed = [(1, "customer 1", 11), *ROWS[2:99], (500, "nobody", 0), ROWS[0]]
    target = database(tmp_path / "all.db", changed)
    assert main(["verify", "orders", *halves, "--target", target]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "missing 1 · extra 1 · different 1" in lines[0]
    assert {tuple(line.split("\t")[:3]) for line in lines[2:]} == {
        ("missing", "99", "-"),
        ("extra", "500", "-"),
        ("different", "1", "total"),
    }
    assert main(["verify", "orders", *halves, "--target", target, "-o", "name"]) == 1
    assert sorted(capsys.readouterr().out.split()) == ["1", "500", "99"]


def test_a_column_on_one_side_is_a_difference_unless_ignored(
    tmp_path: Path, halves: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    target = database(tmp_path / "all.db", ROWS)
    with closing(sqlite3.connect(tmp_path / "all.db")) as connection, connection:
        connection.execute("alter table orders rename column total to sum")
    line = ["verify", "orders", *halves, "--target", target]
    assert main(line) == 1
    shown = capsys.readouterr()
    assert "columns not on all sides 3   DIFFERENT" in shown.out
    assert "--ignore sum" in shown.err
    assert main([*line, "--ignore", "total", "--ignore", "sum"]) == 0
    assert main([*line, "--ignore", "id"]) == 2


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        (["verify", "absent"], 4, "absent"),
        (["verify", "orders", "--key", "nonesuch"], 4, "nonesuch"),
        (["verify", "orders", "--source", "oracle://x/y"], 2, "oracle"),
        (["verify", "orders", "--source", "postgresql://u:hunter2@127.0.0.1:1/x"], 3, "127.0.0.1"),
    ],
)
def test_what_is_wrong_is_said_without_secrets(
    tmp_path: Path, line: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "--source" not in line:
        line = [*line, "--source", database(tmp_path / "one.db", ROWS)]
    target = database(tmp_path / "all.db", ROWS)
    assert main([*line, "--target", target]) == code
    shown = capsys.readouterr().err
    assert says in shown
    assert "hunter2" not in shown
    assert "Traceback" not in shown
