"""The file source's reader on real files: every byte once, whatever ends lines and whenever it restarts."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidelock.connect.api import ConnectError, SourceTaskContext, offsets_of
from tidelock.connect.connectors.file import FileStreamSourceTask, LineReader, starting_position


def lines_of(reader: LineReader, limit: int = 2000) -> list[str]:
    return reader.read(limit)


def test_every_end_of_line_ends_a_line_and_the_last_one_waits_for_its_own(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes("one\ntwo\r\nthree\r\n\nfünf\rhalf".encode())
    reader = LineReader(path)
    assert lines_of(reader) == ["one", "two", "three", "", "fünf"]
    with path.open("ab") as out:
        out.write(b" done\r")
    assert lines_of(reader) == []  # the CR may be half of a CRLF
    with path.open("ab") as out:
        out.write(b"\nnext\n")
    assert lines_of(reader) == ["half done", "next"]
    reader.close()


@pytest.mark.parametrize("count", [*range(1990, 2061), 4030])  # the original leaves 10 of 2,010 unread
def test_a_file_that_does_not_grow_is_read_to_its_end(tmp_path: Path, count: int) -> None:
    path = tmp_path / "f"
    path.write_text("".join(f"{number:09}\n" for number in range(count)))
    task = FileStreamSourceTask()
    task.start(SourceTaskContext("c"), {"file": str(path), "topic": "t"})
    seen = 0
    for _ in range(4):
        seen += len(task.poll() or ())
    assert seen == count
    task.stop()


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=8)
ENDS = st.sampled_from(["\n", "\r\n"])


@given(lines=st.lists(st.tuples(TEXT, ENDS), max_size=30), stops=st.lists(st.integers(1, 5), max_size=30))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_restarts_anywhere_lose_and_repeat_nothing(
    tmp_path: Path, lines: list[tuple[str, str]], stops: list[int]
) -> None:
    path = tmp_path / "f"
    path.write_bytes("".join(text + end for text, end in lines).encode())
    position, seen = 0, []
    for limit in [*stops, len(lines) + 1]:
        reader = LineReader(path, starting_position(path, position))
        seen += reader.read(limit)
        position = reader.position
        reader.close()
    assert seen == [text for text, _ in lines]


def test_a_position_that_java_counted_in_characters_is_understood_once(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("서울\n부산\n대전\n😀광주\n마지막\n")
    assert starting_position(path, 3) == 7  # one line: 3 characters, 7 bytes
    assert starting_position(path, 6) == 14
    assert starting_position(path, 7) == 7  # ours
    assert starting_position(path, 14) == 14
    assert starting_position(path, 13) == 21  # in the fourth line, which holds two surrogates


def test_a_file_that_was_cut_off_or_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("a\nb\nc\n")
    reader = LineReader(path)
    assert lines_of(reader) == ["a", "b", "c"]
    os.truncate(path, 0)
    with path.open("a") as out:
        out.write("d\n")
    assert lines_of(reader) == ["d"]
    other = tmp_path / "g"
    other.write_text("e\nf\n")
    with path.open("a") as out:
        out.write("last\n")
    other.rename(path)
    assert lines_of(reader) == ["last", "e", "f"]
    assert starting_position(path, 99) == 0
    reader.close()


def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    reader = LineReader(tmp_path / "later")
    assert lines_of(reader) == []
    (tmp_path / "later").write_text("here\n")
    assert lines_of(reader) == ["here"]
    reader.close()


def test_bytes_that_are_no_text_stop_with_their_place(tmp_path: Path) -> None:
    for content, place in ((b"ok\n\xff\n", 3), (b"a\r\n\r\nb\xc3\r\nc\n", 6)):
        (tmp_path / "f").write_bytes(content)
        reader = LineReader(tmp_path / "f")
        with pytest.raises(ConnectError) as caught:
            reader.read(10)
        assert str(caught.value.where).endswith(f"f, byte {place}")
        reader.close()


def test_a_poll_is_one_batch_and_its_offset_is_behind_its_last_line(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("가\n나\n다\n")
    task = FileStreamSourceTask()
    task.start(SourceTaskContext("c"), {"file": str(tmp_path / "f"), "topic": "t", "batch.size": "2"})
    polls = [task.poll() or () for _ in range(3)]
    assert [[one.value for one in poll] for poll in polls] == [["가", "나"], ["다"], []]
    assert [offsets_of(poll) for poll in polls[:2]] == [
        [({"filename": str(tmp_path / "f")}, {"position": position})] for position in (8, 12)
    ]
    assert [one.source_offset for one in polls[0]] == [{}, {"position": 8}]
    task.stop()
