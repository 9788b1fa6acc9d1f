"""Files on a disk that has no room for the logs of some topics: what a full disk does to a running broker."""

from __future__ import annotations

import errno
import os

from tidelock.broker.disk import RealFile, RealFiles
from tidelock.broker.log.files import File

FULL = "full-"


class FullFiles(RealFiles):
    """`RealFiles` whose logs of topics named full-* cannot grow."""

    def open(self, path: str) -> File:
        """See Files."""
        found = super().open(path)
        if path.startswith(FULL) and path.endswith(".log") and isinstance(found, RealFile):
            found.append = _no_room
        return found


def _no_room(data: bytes | bytearray | memoryview) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
