"""The worker's files: durable when a write returns, whole at any time, private."""

import json
import threading
from pathlib import Path

import pytest

from tidelock.connect.runtime.stores import ConfigStore, OffsetStore, StoreError, member_id, open_stores


def test_offsets_come_back_by_meaning_not_by_key_order(tmp_path: Path) -> None:
    path = tmp_path / "offsets"
    store = OffsetStore(path)
    store.write("c", [({"a": 1, "b": "한"}, {"position": 5}), ({"a": 2}, {"position": 1})])
    store.write("c", [({"a": 2}, None)])
    again = OffsetStore(path)
    assert again.read("c", [{"b": "한", "a": 1}, {"a": 2}]) == [{"position": 5}, None]
    assert again.read("other", [{"a": 1}]) == [None]
    assert again.all_of("c") == [({"a": 1, "b": "한"}, {"position": 5})]


def test_writers_in_several_threads_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "offsets"
    store = OffsetStore(path)
    threads = [
        threading.Thread(
            target=lambda number=number: [
                store.write(f"c{number}", [({"p": step}, {"o": step})]) for step in range(10)
            ]
        )
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    again = OffsetStore(path)
    assert [len(again.all_of(f"c{number}")) for number in range(4)] == [10] * 4


def test_configurations_come_back_and_only_the_owner_can_read_them(tmp_path: Path) -> None:
    path = tmp_path / "configs"
    store = ConfigStore(path)
    store.put("a", {"connection.password": "secret"}, "STARTED")
    store.put("b", {"x": "1"}, "PAUSED")
    store.remove("a")
    assert ConfigStore(path).entries() == {"b": ({"x": "1"}, "PAUSED")}
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"offsets":5}', b"\x00\xff"])
def test_a_foreign_file_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "offsets"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="not one of this worker's"):
        OffsetStore(path)
    assert path.read_bytes() == content


def test_a_java_workers_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "offsets"
    path.write_bytes(b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap")
    with pytest.raises(StoreError, match="Java worker"):
        OffsetStore(path)


def test_a_folder_that_is_gone_is_an_error_and_changes_nothing(tmp_path: Path) -> None:
    store = OffsetStore(tmp_path / "gone" / "offsets")
    with pytest.raises(StoreError, match="cannot write"):
        store.write("c", [({"p": 1}, {"o": 1})])
    assert store.read("c", [{"p": 1}]) == [None]


def test_a_half_written_neighbour_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "offsets"
    OffsetStore(path).write("c", [({"p": 1}, {"o": 1})])
    (tmp_path / "offsets.part").write_text('{"offsets": [[')
    assert json.loads(path.read_text())["offsets"] == [["c", {"p": 1}, {"o": 1}]]
    assert OffsetStore(path).read("c", [{"p": 1}]) == [{"o": 1}]


def test_a_data_folder_keeps_its_name_in_groups(tmp_path: Path) -> None:
    first = member_id(tmp_path / "a")
    assert member_id(tmp_path / "a") == first
    assert member_id(tmp_path / "b") != first


def test_workers_without_a_data_folder_are_told_apart_and_keep_their_name(tmp_path: Path) -> None:
    def name(offsets: str | None, worker: str = "localhost:8083") -> str:
        return open_stores(None, None if offsets is None else tmp_path / offsets, worker).member_id

    assert name("a") == name("a")
    assert len({name("a"), name("b"), name("a", "localhost:8084"), name(None), name(None)}) == 5
