"""The check that several APIs make: does the client know who leads now (KIP-320)."""

from __future__ import annotations

from tidelock.broker.log import Partition
from tidelock.protocol import error_codes as errors


def check_leader_epoch(partition: Partition, claimed: int) -> None:
    """Compare the client's leader epoch with the partition's; -1 makes no claim.

    Raises:
        FencedLeaderEpoch: the client's metadata is from before a restart.
        UnknownLeaderEpoch: the client knows more than this broker.
    """
    if claimed == -1 or claimed == partition.leader_epoch:
        return
    if claimed < partition.leader_epoch:
        raise errors.FencedLeaderEpoch(f"epoch {claimed} ended; the current is {partition.leader_epoch}")
    raise errors.UnknownLeaderEpoch(f"epoch {claimed} is not known; the current is {partition.leader_epoch}")
