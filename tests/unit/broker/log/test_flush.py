"""A flush of many partitions: several threads share it, and one that fails is the only one that fails."""

import errno
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.support.batches import batch
from tidelock.broker.log import Logs, LogSettings, MemoryFiles

NOW = 1_000_000
MANY, THREADS = 12, 3


class MeetingFiles(MemoryFiles):
    """Files whose first syncs wait for each other, so that no flush ends which does them one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.meeting = threading.Barrier(THREADS)
        self.calls = itertools.count()
        self.bad = ""
        self.synced: list[str] = []

    def side_by_side(self, work: Callable[[], None], times: int) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            for run in [pool.submit(work) for _ in range(times)]:
                run.result()

    def sync(self, path: str) -> None:
        if path.endswith(".log"):
            if next(self.calls) < THREADS:
                self.meeting.wait(30.0)
            if path == self.bad:
                raise OSError(errno.EIO, "bad sector", path)
            self.synced.append(path)
        super().sync(path)


def test_threads_share_the_syncs_and_one_bad_file_takes_one_partition_offline() -> None:
    files = MeetingFiles()
    logs = Logs(files, lambda topic: LogSettings())
    logs.open_all(NOW)
    for index in range(MANY):
        logs.create("orders", index, bytes(16), NOW).append(batch(1), NOW)
    files.bad = f"orders-7/{0:020d}.log"
    job = logs.begin_flush()
    assert job is not None
    job.run()
    logs.end_flush(job)
    assert list(job.failures) == [("orders", 7)]
    assert len(set(files.synced)) == MANY - 1
    found = [logs.get("orders", index) for index in range(MANY)]
    assert [one.index for one in found if one.offline] == [7]
    assert [one.recovery_point for one in found if not one.offline] == [1] * (MANY - 1)
