"""Leader epochs: which epoch wrote from which offset on, so that clients can see a truncation.

Every start of the broker is a new leader epoch; a client that remembers "offset 100 in epoch 3" asks where
epoch 3 ended and learns that the log was cut to 90 by a crash, instead of silently skipping what was written
there since. An epoch in which nothing was written leaves no trace.

Pure. Invariant: epochs and start offsets both strictly increase.

Source: Kafka `LeaderEpochFileCache`, KIP-101, KIP-320.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from tidelock.broker.log.checkpoint import read_lines, write_lines

UNDEFINED_EPOCH = -1
UNDEFINED_OFFSET = -1


class LeaderEpochs:
    """The (epoch, start offset) pairs of one partition, oldest first."""

    def __init__(self) -> None:
        self._epochs: list[int] = []
        self._starts: list[int] = []

    @classmethod
    def from_bytes(cls, data: bytes) -> LeaderEpochs | None:
        """Read a `leader-epoch-checkpoint`; None when it cannot be trusted."""
        lines = read_lines(data)
        if lines is None:
            return None
        epochs = cls()
        for line in lines:
            try:
                epoch, start = (int(part) for part in line.split())
            except ValueError:
                return None
            if epoch < 0 or start < 0 or (epochs._epochs and epoch <= epochs._epochs[-1]):
                return None
            if epochs._starts and start <= epochs._starts[-1]:
                return None
            epochs._epochs.append(epoch)
            epochs._starts.append(start)
        return epochs

    def to_bytes(self) -> bytes:
        """Return the content of a `leader-epoch-checkpoint`."""
        return write_lines(
            f"{epoch} {start}" for epoch, start in zip(self._epochs, self._starts, strict=True)
        )

    @property
    def latest(self) -> int:
        """The highest epoch known, or -1."""
        return self._epochs[-1] if self._epochs else UNDEFINED_EPOCH

    def epoch_at(self, offset: int) -> int:
        """Return the epoch that wrote an offset, or -1 when it is before every known one."""
        found = bisect_right(self._starts, offset)
        return self._epochs[found - 1] if found else UNDEFINED_EPOCH

    def assign(self, epoch: int, start_offset: int) -> bool:
        """Note that `epoch` writes from `start_offset` on, against later entries; False if it is known."""
        if self._epochs and epoch == self._epochs[-1] and start_offset >= self._starts[-1]:
            return False
        keep = min(bisect_left(self._epochs, epoch), bisect_left(self._starts, start_offset))
        del self._epochs[keep:], self._starts[keep:]
        self._epochs.append(epoch)
        self._starts.append(start_offset)
        return True

    def truncate_start(self, start_offset: int) -> None:
        """Forget epochs that ended before a new log start; the one that spans it starts there."""
        first = bisect_right(self._starts, start_offset) - 1
        if first < 0:
            return
        del self._epochs[:first], self._starts[:first]
        self._starts[0] = start_offset

    def end_offset(self, epoch: int, log_end_offset: int) -> tuple[int, int]:
        """Answer OffsetForLeaderEpoch.

        Returns:
            (largest known epoch not above the asked one, the offset where it ended); (-1, -1) for an epoch
            that is unknown because it is newer than the latest.
        """
        if epoch == UNDEFINED_EPOCH or not self._epochs or epoch > self._epochs[-1]:
            return UNDEFINED_EPOCH, UNDEFINED_OFFSET
        if epoch == self._epochs[-1]:
            return epoch, log_end_offset
        above = bisect_right(self._epochs, epoch)
        return (self._epochs[above - 1] if above else epoch), self._starts[above]
