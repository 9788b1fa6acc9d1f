"""What can be wrong with the log itself.

    TidelockError
    |- StorageError            TID-230
       |- CorruptLog           TID-231  bytes that were durable are no longer what was written

A client never sees these: the partition answers CORRUPT_MESSAGE where a batch is damaged, else
KAFKA_STORAGE_ERROR, and the operator reads the reason in the log.
"""

from __future__ import annotations

from tidelock.errors import TidelockError


class StorageError(TidelockError):
    """The disk does not do, or does not hold, what it should."""

    code = "TID-230"


class CorruptLog(StorageError):
    """Bytes that had been made durable are damaged; nothing is cut off without being told to."""

    code = "TID-231"

    def __init__(self, problem: str, *, path: str, position: int) -> None:
        super().__init__(
            f"the log is damaged: {problem}",
            where=f"{path}, byte {position}",
            hint="restore the folder from a copy, move readers past it, or delete the topic",
        )
        self.path = path
        self.position = position
