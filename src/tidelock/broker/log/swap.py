"""Cleaned segments take the place of old ones, in steps that may each be the last before a crash.

    NAME.log.cleaned    being written; means nothing, a start removes it
    NAME.log.swap       whole and durable: it replaces the segments whose offsets it covers
    NAME.log            in place

Side files go first at every step, so that the log's own name decides what holds. Every function may be run
again after a crash in its middle. May import segments and the `Files` seam.

Source: Kafka `UnifiedLog.replaceSegments`, `LogLoader.completeSwapOperations`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tidelock.broker.log.files import Files
from tidelock.broker.log.segment import Segment, name_of

CLEANED, SWAP = ".cleaned", ".swap"
SIDE_FILES = (".index", ".timeindex", ".txnindex")
_LOG = re.compile(r"^\d{20}\.log$")
_SWAP_LOG = re.compile(r"^\d{20}\.log\.swap$")


def commit(files: Files, folder: str, base_offset: int) -> None:
    """Declare a cleaned segment whole; its bytes must be durable, and the folder be synced after it."""
    names = set(files.list(folder))
    for suffix in (*SIDE_FILES, ".log"):
        name = name_of(base_offset, suffix)
        if name + CLEANED in names:
            files.rename(f"{folder}/{name}{CLEANED}", f"{folder}/{name}{SWAP}")


def finish(files: Files, folder: str, base_offset: int, replaced: Iterable[int]) -> None:
    """Put a committed segment in the place of others.

    Args:
        files: where.
        folder: the partition's.
        base_offset: of the committed segment.
        replaced: base offsets of the segments it replaces beside the one of its own name.
    """
    names = set(files.list(folder))
    for other in sorted(replaced):
        for suffix in (".log", *SIDE_FILES, ".snapshot"):
            if name_of(other, suffix) in names:
                files.remove(f"{folder}/{name_of(other, suffix)}")
    for suffix in (*SIDE_FILES, ".log"):
        name = name_of(base_offset, suffix)
        if name + SWAP in names:
            files.rename(f"{folder}/{name}{SWAP}", f"{folder}/{name}")
        elif name in names and suffix != ".log":
            files.remove(f"{folder}/{name}")


def discard(files: Files, folder: str) -> None:
    """Remove what a pass that came to nothing has left behind."""
    for name in files.list(folder):
        if name.endswith((CLEANED, SWAP)) or f"{CLEANED}." in name:
            files.remove(f"{folder}/{name}")


def complete(files: Files, folder: str) -> None:
    """At a start: finish what was committed, remove what was not.

    Raises:
        CorruptLog: a committed segment has bad bytes.
        OSError: the disk.
    """
    names = files.list(folder)
    if not any(CLEANED in name or name.endswith(SWAP) for name in names):
        return
    for name in names:
        if _SWAP_LOG.match(name):
            base_offset = int(name[:20])
            end = _last_offset(files, folder, base_offset)
            others = [int(one[:20]) for one in files.list(folder) if _LOG.match(one)]
            finish(files, folder, base_offset, [one for one in others if base_offset < one <= end])
    discard(files, folder)
    files.sync(folder)


def _last_offset(files: Files, folder: str, base_offset: int) -> int:
    segment = Segment(files, folder, base_offset, 0, SWAP)
    segment.size = files.size(segment.path)
    last = base_offset - 1
    for _, header in segment.headers():
        last = header[0] + header[6]
    return last
