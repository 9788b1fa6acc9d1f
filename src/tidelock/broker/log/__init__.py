"""The log: segments, indexes, partitions, producer state and recovery, over a `Files` seam cut at bytes.

Sans-IO: bytes leave and enter through `Files` only, time comes in as `now_ms` (milliseconds since 1970).
Files on disk are those of Apache Kafka, byte for byte. `Logs` holds the partitions of one data folder,
`Partition` is one log, `LogSettings` what a topic asks of it; `RealFiles` is in tidelock.broker.disk.

May import tidelock.protocol and tidelock.errors, and nothing else of the house.
"""

from tidelock.broker.log.checkpoint import PartitionKey
from tidelock.broker.log.clean_job import CleanJob, CleanResult
from tidelock.broker.log.cleaner import Cleaner, Cleaning
from tidelock.broker.log.errors import CorruptLog, StorageError
from tidelock.broker.log.files import File, Files, append_all, read_all, replace
from tidelock.broker.log.flush import Dirty, FlushJob
from tidelock.broker.log.logs import Logs, OpenReport, Swept
from tidelock.broker.log.lookup import KeylessRecords, Opening
from tidelock.broker.log.memory_files import MemoryFiles, keep_everything, keep_nothing
from tidelock.broker.log.partition import Appended, Partition
from tidelock.broker.log.recovery import Start
from tidelock.broker.log.settings import LogSettings
from tidelock.broker.log.transactions import MARKER_BYTES, Marker, read_marker

__all__ = [
    "MARKER_BYTES",
    "Appended",
    "CleanJob",
    "CleanResult",
    "Cleaner",
    "Cleaning",
    "CorruptLog",
    "Dirty",
    "File",
    "Files",
    "FlushJob",
    "KeylessRecords",
    "LogSettings",
    "Logs",
    "Marker",
    "MemoryFiles",
    "OpenReport",
    "Opening",
    "Partition",
    "PartitionKey",
    "Start",
    "StorageError",
    "Swept",
    "append_all",
    "keep_everything",
    "keep_nothing",
    "read_all",
    "read_marker",
    "replace",
]
