"""A compaction pass in a process of its own: `python -m tidelock.broker.cleaning FOLDER`, job on stdin.

Opening records holds the interpreter for microseconds each, a thread that does it would add milliseconds to
every request; a process does not. The job comes and the result goes as JSON on one line. The child ends
when its standard input does, so it never outlives the broker; whatever it leaves behind then is removed at
the next start.

May import the log and `RealFiles`; the server starts it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import msgspec

from tidelock.broker.disk import RealFiles
from tidelock.broker.log import CleanJob, CleanResult

NICENESS = 10


async def run_cleaning(folder: str, job: CleanJob) -> CleanResult:
    """Run a pass in a child process; cancelling ends the child.

    Args:
        folder: the broker's data folder.
        job: what to do.
    """
    pipe = asyncio.subprocess.PIPE
    try:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tidelock.broker.cleaning", folder), stdin=pipe, stdout=pipe
        )
    except OSError as error:
        return CleanResult(problem=f"no process could be started for it: {error}")
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(msgspec.json.encode(job) + b"\n")
        answer = await child.stdout.read()
    finally:
        if child.returncode is None and not child.stdout.at_eof():
            child.kill()
        child.stdin.close()
        await child.wait()
    try:
        return msgspec.json.decode(answer, type=CleanResult)
    except msgspec.DecodeError:
        return CleanResult(problem=f"its process ended with {child.returncode}")


def main() -> None:
    """The child."""
    os.nice(NICENESS)
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=CleanJob)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    files = RealFiles(Path(sys.argv[1]))
    sys.stdout.buffer.write(msgspec.json.encode(job.run(files)))


def _end_with_parent() -> None:
    os.read(0, 1)  # not through sys.stdin, whose lock the interpreter's end would wait for
    os._exit(1)


if __name__ == "__main__":
    main()
