"""FileStreamSource and FileStreamSink: lines of a text file into a topic, and records as lines of a file.

The source counts **bytes** and drains its buffer before it reads on; so a restart inside multi-byte text
repeats and tears nothing, and the tail of a file that does not grow is read too (the original fails at both).
A line ends with LF, CR or CRLF; a last line without an end waits for one. Truncation and rotation by rename
are noticed while it runs. Imports the api only.

Source: Kafka `org.apache.kafka.connect.file.{FileStreamSourceTask, FileStreamSinkTask}`.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from tidelock.config import Importance, Settings, key
from tidelock.connect.api import (
    ConnectError,
    Offsets,
    RecordBatch,
    Schema,
    SinkConnector,
    SinkTask,
    SinkTaskContext,
    SourceBatch,
    SourceConnector,
    SourceRecord,
    SourceTask,
    SourceTaskContext,
    Struct,
    TopicPartition,
)

log = logging.getLogger(__name__)

LINE = Schema.string()
ORDERED = 0  # all lines go to this topic partition: without keys they would be spread, and lose their order
CHUNK = 1 << 16
LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")  # a CR at the very end may be half of a CRLF


class FileStreamSourceSettings(Settings):
    """Keys of FileStreamSourceConnector."""

    file: str = key(importance=Importance.HIGH, doc="The file to read.")
    topic: str = key(importance=Importance.HIGH, doc="The topic to write to.")
    batch_size: int = key(
        default=2000, at_least=1, importance=Importance.LOW, doc="Most lines that one poll returns."
    )


class FileStreamSinkSettings(Settings):
    """Keys of FileStreamSinkConnector."""

    file: str | None = key(
        default=None, importance=Importance.HIGH, doc="The file to append to; standard output without it."
    )


class LineReader:
    """Reads whole lines of a growing file from a byte position on.

    Args:
        path: the file; it may not exist yet.
        position: bytes before it are done.
    """

    def __init__(self, path: Path, position: int = 0) -> None:
        self._path = path
        self._position = position  # of the first byte of the buffer
        self._buffer = b""
        self._stream: BinaryIO | None = None
        self._misses = 0

    @property
    def position(self) -> int:
        """The byte after the last line that was returned."""
        return self._position

    def read(self, limit: int) -> list[str]:
        """Return up to `limit` lines; empty: none now.

        Raises:
            ConnectError: the file cannot be read, or a line is not UTF-8.
        """
        lines: list[str] = []
        while len(lines) < limit:
            lines += self._buffered(limit - len(lines))
            if len(lines) >= limit or not self._fill():
                break
        return lines

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _buffered(self, limit: int) -> list[str]:
        buffer = self._buffer
        lines = LINE_END.split(buffer, limit) if b"\r" in buffer else buffer.split(b"\n", limit)
        rest = lines.pop()
        if not lines:
            return []
        try:
            texts = b"\n".join(lines).decode().split("\n")
        except UnicodeDecodeError:
            raise self._not_text() from None
        self._position += len(buffer) - len(rest)
        self._buffer = rest
        return texts

    def _not_text(self) -> ConnectError:
        """Say where the first line is that is not UTF-8."""
        start = 0
        for end in LINE_END.finditer(self._buffer):
            try:
                self._buffer[start : end.start()].decode()
            except UnicodeDecodeError as error:
                start += error.start
                break
            start = end.end()
        place = f"{self._path}, byte {self._position + start}"
        return ConnectError("the line is not UTF-8 text", where=place)

    def _fill(self) -> bool:
        """Read on; False when there is nothing more now."""
        stream = self._open()
        if stream is None:
            return False
        chunk = stream.read(CHUNK)
        if chunk:
            self._buffer += chunk
            return True
        return self._follow(stream)

    def _open(self) -> BinaryIO | None:
        if self._stream is None:
            try:
                self._stream = self._path.open("rb")
            except FileNotFoundError:
                if self._misses == 0:
                    log.warning("%s does not exist (yet); waiting for it", self._path)
                self._misses += 1
                return None
            except OSError as error:
                why = f"cannot read the file: {error.strerror}"
                raise ConnectError(why, where=str(self._path)) from error
            self._stream.seek(self._position + len(self._buffer))
        return self._stream

    def _follow(self, stream: BinaryIO) -> bool:
        """At the end of the file: begin anew if it was cut off or another file has its name; False if not."""
        read_to = self._position + len(self._buffer)
        try:
            named = self._path.stat()
        except FileNotFoundError:
            return False
        opened = os.fstat(stream.fileno())
        is_other = (named.st_dev, named.st_ino) != (opened.st_dev, opened.st_ino)
        if not is_other and named.st_size >= read_to:
            return False
        what = "replaced" if is_other else "cut off"
        log.warning("%s was %s; reading it from its beginning", self._path, what)
        self.close()
        self._position, self._buffer = 0, b""
        return True


def starting_position(path: Path, stored: int) -> int:
    """Return the byte position to go on at, given a stored one.

    Kafka's own task stores a count of UTF-16 characters but skips bytes. A byte position of ours always
    stands after a line end; one that does not is read as such a count, once. A file shorter than the position
    begins anew.
    """
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return stored
    with stream:
        size = stream.seek(0, os.SEEK_END)
        if stored > size:
            log.warning(
                "%s is shorter than the stored position %d; reading it from its beginning", path, stored
            )
            return 0
        if stored == 0 or _is_after_line_end(stream, stored):
            return stored
        position = _bytes_of_characters(stream, stored)
    log.warning("%s: the stored position %d counts characters; it is byte %d", path, stored, position)
    return position


def _is_after_line_end(stream: BinaryIO, position: int) -> bool:
    stream.seek(position - 1)
    around = stream.read(2)
    return around[:1] == b"\n" or (around[:1] == b"\r" and around != b"\r\n")


def _bytes_of_characters(stream: BinaryIO, count: int) -> int:
    """Return where the line that holds the `count`-th UTF-16 character begins, or what follows a line end."""
    stream.seek(0)
    position = characters = 0
    for line in stream:
        units = len(line.decode("utf-8", "replace").encode("utf-16-le")) // 2
        if characters + units > count:
            break
        characters += units
        position += len(line)
    return position


class FileStreamSourceTask(SourceTask):
    """Reads one file."""

    def start(self, context: SourceTaskContext, props: Mapping[str, str]) -> None:
        """See SourceTask."""
        self._settings = FileStreamSourceSettings.parse(props, strict=False, where=context.connector)
        self._partition = {"filename": self._settings.file}
        stored = (context.offset(self._partition) or {}).get("position", 0)
        if not isinstance(stored, int) or stored < 0:
            raise ConnectError(f"the stored position is {stored!r}", where=self._settings.file)
        path = Path(self._settings.file)
        self._reader = LineReader(path, starting_position(path, stored))

    def poll(self) -> Sequence[SourceRecord] | None:
        """See SourceTask."""
        lines = self._reader.read(self._settings.batch_size)
        if not lines:
            return None
        offset = {"position": self._reader.position}
        return SourceBatch(self._partition, offset, self._settings.topic, lines, LINE, partition=ORDERED)

    def stop(self) -> None:
        """See SourceTask."""
        if hasattr(self, "_reader"):
            self._reader.close()


class FileStreamSourceConnector(SourceConnector):
    """Lines of a file into a topic."""

    settings = FileStreamSourceSettings
    task_class = FileStreamSourceTask

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """See Connector; one file is one task."""
        return [dict(self.props)]

    def exactly_once_support(self, props: Mapping[str, str]) -> bool | None:
        """See SourceConnector: positions are exact; a file that is replaced is another one, read whole."""
        return True

    def alter_offsets(
        self,
        props: Mapping[str, str],
        offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]],
    ) -> bool:
        """See SourceConnector: a partition is a `filename`, an offset a `position` in bytes."""
        for partition, offset in offsets:
            if offset is None:
                continue
            if "filename" not in partition:
                raise ConnectError("a partition is {'filename': ...}")
            position = offset.get("position")
            if not isinstance(position, int) or isinstance(position, bool) or position < 0:
                raise ConnectError(f"an offset is {{'position': bytes, from 0}}, not {dict(offset)}")
        return True


class FileStreamSinkTask(SinkTask):
    """Appends one line per record."""

    def start(self, context: SinkTaskContext, props: Mapping[str, str]) -> None:
        """See SinkTask."""
        settings = FileStreamSinkSettings.parse(props, strict=False, where=context.connector)
        self._descriptor: int | None = None
        if settings.file is not None:
            try:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
                self._descriptor = os.open(settings.file, flags, 0o644)
            except OSError as error:
                raise ConnectError(f"cannot write the file: {error.strerror}", where=settings.file) from error

    def put(self, batch: RecordBatch) -> None:
        """See SinkTask; the lines of a batch are one write, so tasks that share a file do not tear them."""
        text = "".join(f"{line_of(value)}\n" for value in batch.values)
        if self._descriptor is None:
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        data = memoryview(text.encode())
        while data:
            data = data[os.write(self._descriptor, data) :]

    def flush(self, offsets: Offsets) -> None:
        """See SinkTask; the file is on the disk before the offsets are committed."""
        if self._descriptor is not None:
            os.fsync(self._descriptor)

    def stop(self) -> None:
        """See SinkTask."""
        descriptor, self._descriptor = getattr(self, "_descriptor", None), None
        if descriptor is not None:
            os.close(descriptor)


def line_of(value: Any) -> str:
    """Return a record's value as a line: text as it is, null as Java prints it, structures as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Struct):
        value = value.as_dict()
    return msgspec.json.encode(value, enc_hook=str).decode()


class FileStreamSinkConnector(SinkConnector):
    """Records of topics as lines of a file."""

    settings = FileStreamSinkSettings
    task_class = FileStreamSinkTask

    def alter_offsets(
        self, props: Mapping[str, str], offsets: Mapping[TopicPartition, int | None] | None
    ) -> bool:
        """See SinkConnector: the group's are all there are; lines that were written stay."""
        return True
