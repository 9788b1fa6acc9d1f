"""A process that forks others warms librdkafka up first: that leaves nothing which a fork would break."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os
from tidelock.client import library
library.warm_up()
descriptors = [f"/proc/self/fd/{one}" for one in os.listdir("/proc/self/fd")]
kinds = [os.readlink(one) for one in descriptors if os.path.lexists(one)]
print(len(os.listdir("/proc/self/task")), sum(one.startswith("socket") for one in kinds))
"""


def test_no_thread_and_no_connection_is_left() -> None:
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )

    assert found.stdout.split() == ["1", "0"], "threads and sockets"
    assert not found.stderr, "a client without servers says nothing"
