"""What the system knows about processes: identity, memory, age, ends. The only reader of /proc in the CLI.

A pid alone is no identity, because pids are reused; pid plus start time is. Where there is no /proc, the
functions answer what can be told without it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_ENDED = ("Z", "X")  # zombie, dead
_STAT_PGRP, _STAT_START = 2, 19  # fields of /proc/PID/stat after the name, counted from 0 (proc(5))


def start_ticks(pid: int) -> int:
    """Return when a process started, in clock ticks since boot; 0 where the system does not tell."""
    fields = _stat(pid)
    return int(fields[_STAT_START]) if fields else 0


def is_alive(pid: int, started: int) -> bool:
    """Whether the very process that had this pid and start time still runs."""
    fields = _stat(pid)
    if fields:
        return fields[0] not in _ENDED and (not started or int(fields[_STAT_START]) == started)
    if _PROC.is_dir():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def group_members(group: int) -> Iterator[int]:
    """Yield the living processes of a process group."""
    for entry in _PROC.glob("[0-9]*"):
        fields = _stat(int(entry.name))
        if fields and fields[0] not in _ENDED and int(fields[_STAT_PGRP]) == group:
            yield int(entry.name)


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 when it is gone."""
    try:
        pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def own_age() -> float:
    """Return the seconds since this process was started, interpreter start-up included."""
    ticks = start_ticks(os.getpid())
    if not ticks:
        return time.process_time()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def own_pid() -> int:
    """Return this process's id."""
    return os.getpid()


def pause(seconds: float) -> None:
    """Wait between two looks at something that has no event to wait for."""
    time.sleep(seconds)


def send(pid: int, number: int) -> bool:
    """Send a signal to one process; False when it is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def kill_group(group: int, number: int = signal.SIGKILL) -> bool:
    """Send a signal to a process group; False when nobody is left in it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def name_yourself(name: str) -> None:
    """Set the name that `ps` and port conflicts show for this process (at most 15 characters)."""
    try:
        (_PROC / "self" / "comm").write_text(name[:15])
    except OSError:
        return  # a nicety that only Linux has


def _stat(pid: int) -> list[str]:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()
