"""RealFiles on a real folder, and the lock that names the owner."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.files_suite import FilesSuite
from tidelock.broker.disk import READ_DESCRIPTORS, FolderLock, RealFiles
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
