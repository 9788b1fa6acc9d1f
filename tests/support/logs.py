"""The partitions of a data folder, flushed as the broker's shell does it, but here and now."""

from __future__ import annotations

from tidelock.broker.log import Logs


def flush_all(logs: Logs) -> None:
    """Make everything durable; the first failure is raised, its partition is offline."""
    job = logs.begin_flush(checkpoint=True)
    if job is None:
        return
    job.run()
    logs.end_flush(job)
    for error in job.failures.values():
        raise error
