"""RealFiles on a real folder, and the lock that names the owner."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.files_suite import FilesSuite
from tidelock.broker.disk import (
    FREED_APART_BYTES,
    PARALLEL_SYNCS,
    READ_DESCRIPTORS,
    FolderLock,
    RealFiles,
)
from tidelock.errors import ConflictError


class TestRealFiles(FilesSuite):
    @pytest.fixture
    def files(self, tmp_path: Path) -> Iterator[RealFiles]:
        files = RealFiles(tmp_path / "data")
        yield files
        files.close()


def test_many_files_do_not_use_up_descriptors(tmp_path: Path) -> None:
    files = RealFiles(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(READ_DESCRIPTORS + 50):
        file = files.open(str(number))
        file.append(b"%d" % number)
        file.close()
        assert files.read(str(number), 0, 9) == b"%d" % number
    assert len(os.listdir("/proc/self/fd")) - before <= READ_DESCRIPTORS
    assert files.read("0", 0, 9) == b"0"
    files.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_soft_limit_of_descriptors_is_raised_when_it_is_reached(tmp_path: Path) -> None:
    code = (
        "import resource, sys, pathlib; from tidelock.broker.disk import RealFiles\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (40, hard))\n"
        "files = RealFiles(pathlib.Path(sys.argv[1]))\n"
        "opened = [files.open(str(number)) for number in range(100)]\n"
        "print(len(opened))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("100\n", "")


@pytest.mark.parametrize("granted", [0, 1, 2])
def test_refused_threads_are_fewer_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, granted: int
) -> None:
    files, start, left = RealFiles(tmp_path), threading.Thread.start, [None] * granted

    def refuse(thread: threading.Thread) -> None:
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    todo = list(range(100))
    done: list[int] = []

    def work() -> None:
        while todo:
            with contextlib.suppress(IndexError):
                done.append(todo.pop())

    files.side_by_side(work, 8)
    assert sorted(done) == list(range(100))


def test_what_a_run_raises_is_raised_when_all_have_ended(tmp_path: Path) -> None:
    ended: list[int] = []
    meeting = threading.Barrier(PARALLEL_SYNCS)

    def work() -> None:
        if meeting.wait(30.0) == 0:
            raise ValueError("one of them")
        ended.append(1)

    with pytest.raises(ValueError, match="one of them"):
        RealFiles(tmp_path).side_by_side(work, 8)
    assert len(ended) == PARALLEL_SYNCS - 1


def test_a_closed_file_takes_no_bytes(tmp_path: Path) -> None:
    file = RealFiles(tmp_path).open("a")
    file.close()
    file.close()
    with pytest.raises(OSError, match="closed"):
        file.append(b"1")


def test_a_folder_has_one_owner_and_the_second_learns_who(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    with pytest.raises(ConflictError) as refused:
        FolderLock(tmp_path)
    assert f"pid {os.getpid()}" in str(refused.value)
    assert str(tmp_path) in str(refused.value)
    assert "--data" in str(refused.value)
    lock.release()
    lock.release()
    FolderLock(tmp_path).release()


def test_a_killed_owner_leaves_the_folder_free(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from tidelock.broker.disk import FolderLock\n"
        "lock = FolderLock(pathlib.Path(sys.argv[1])); print('locked', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline() == b"locked\n"
    with pytest.raises(ConflictError, match=f"pid {child.pid}"):
        FolderLock(tmp_path)
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()
    FolderLock(tmp_path).release()


@pytest.mark.parametrize("threads", [True, False])
def test_a_large_file_is_gone_at_once_and_freed_by_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: bool
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    if not threads:
        monkeypatch.setattr(threading.Thread, "start", refuse)
    files = RealFiles(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(bytes(FREED_APART_BYTES))
        files.remove(name)
        assert files.list("") == []
    files.close()
    assert len(os.listdir("/proc/self/fd")) == before
