"""The log: segments, indexes, partitions, producer state and recovery, over a `Files` seam cut at bytes."""
