"""MemoryFiles: the suite of every `Files`, what a crash takes, and failing on purpose."""

import errno

import pytest

from tests.support.files_suite import FilesSuite
from tidelock.broker.log.files import append_all, read_all, replace
from tidelock.broker.log.memory_files import MemoryFiles, keep_everything


class TestMemoryFiles(FilesSuite):
    @pytest.fixture
    def files(self) -> MemoryFiles:
        return MemoryFiles()


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


def written(files: MemoryFiles, path: str, *, synced: bytes = b"", rest: bytes = b"") -> None:
    file = files.open(path)
    file.append(synced)
    files.sync(path)
    files.sync(path.rpartition("/")[0])
    file.append(rest)


def test_a_crash_takes_what_was_not_synced(files: MemoryFiles) -> None:
    written(files, "a", synced=b"safe", rest=b"lost")
    files.crash()
    assert read_all(files, "a") == b"safe"


def test_a_crash_takes_names_that_were_not_synced(files: MemoryFiles) -> None:
    files.open("a").append(b"bytes")
    files.sync("a")
    files.crash()
    assert files.list("") == []


def test_a_crash_brings_back_names_whose_removal_was_not_synced(files: MemoryFiles) -> None:
    written(files, "a", synced=b"safe")
    files.remove("a")
    files.crash()
    assert read_all(files, "a") == b"safe"


def test_a_killed_process_leaves_everything(files: MemoryFiles) -> None:
    files.open("a").append(b"bytes")
    files.crash(keep_everything)
    assert read_all(files, "a") == b"bytes"


def test_a_crash_may_leave_a_torn_tail(files: MemoryFiles) -> None:
    written(files, "a", synced=b"safe", rest=b"torn")
    files.crash(lambda _, tail: tail[:2] + bytes(len(tail) - 2))
    assert read_all(files, "a") == b"safeto\0\0"


def test_a_durable_replace_survives_a_crash_and_another_does_not(files: MemoryFiles) -> None:
    replace(files, "f", b"old")
    replace(files, "f", b"new", durable=False)
    files.crash()
    assert read_all(files, "f") == b"old"


def test_an_armed_fault_fires_once_and_on_the_call_meant(files: MemoryFiles) -> None:
    file = files.open("a")
    files.fail("append", errno.ENOSPC, after=1)
    file.append(b"1")
    with pytest.raises(OSError, match="on purpose") as failed:
        file.append(b"2")
    assert failed.value.errno == errno.ENOSPC
    file.append(b"3")
    assert read_all(files, "a") == b"13"


def test_a_short_append_takes_what_it_says(files: MemoryFiles) -> None:
    file = files.open("a")
    files.fail("append", short=3)
    assert file.append(b"12345") == 3
    assert read_all(files, "a") == b"123"


def test_append_all_goes_on_after_a_short_append_and_ends_at_a_full_disk(files: MemoryFiles) -> None:
    file = files.open("a")
    files.fail("append", short=3)
    append_all(file, b"12345")
    assert read_all(files, "a") == b"12345"
    files.fail("append", short=0)
    with pytest.raises(OSError, match="no more bytes"):
        append_all(file, b"6")
