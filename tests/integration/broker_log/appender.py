"""A process that appends until it is killed, and says on stdout what it was told is in the log.

Usage: python -m tests.integration.broker_log.appender FOLDER SEED FLUSHES

FLUSHES is the share of appends followed by a flush.
"""

import random
import sys
from pathlib import Path

from tests.support.batches import batch
from tidelock.broker.disk import FolderLock, RealFiles
from tidelock.broker.log import Logs, LogSettings
from tidelock.protocol.records import Producer

PARTITIONS = 2
SETTINGS = LogSettings(segment_bytes=200_000)
NOW = 1_700_000_000_000


def main(root: Path, seed: int, flushes: float) -> None:
    FolderLock(root)
    draw = random.Random(seed)
    logs = Logs(RealFiles(root), lambda _: SETTINGS)
    report = logs.open_all(NOW)
    assert report.offline == {}, report
    for index in range(PARTITIONS):
        if ("orders", index) not in logs.partitions:
            logs.create("orders", index, bytes(16), NOW)
    sys.stdout.write(f"open {report.truncated_bytes}\n")
    while True:
        index = draw.randrange(PARTITIONS)
        partition = logs.get("orders", index)
        count = draw.randint(1, 20)
        sequence = partition.log_end_offset  # the only producer, so its sequence is the offset
        made = batch(count, size=draw.choice((10, 100, 4_000)), producer=Producer(5, 0, sequence))
        appended = partition.append(made, NOW)
        sys.stdout.write(f"{index} {appended.base_offset} {appended.last_offset}\n")
        if draw.random() < flushes:
            job = logs.begin_flush(sealed_only=draw.random() < 0.5)
            if job is not None:
                job.run()
                logs.end_flush(job)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
