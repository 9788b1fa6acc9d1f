"""What the standalone worker keeps on disk: source offsets, and (in a data folder) connector configurations.

Each store is one JSON file, written to a neighbour, synced and renamed, so it is the old or the new state and
never a part of either; a write returns when it is durable. Values are read back as they were written:
partitions are told apart by meaning, not by the order of their keys. Configurations may hold passwords: only
the owner can read the files.

Source: Kafka `org.apache.kafka.connect.storage.{FileOffsetBackingStore, OffsetStorageReader}`.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidelock.connect.api import ConnectError

FORMAT = 1
OFFSETS_FILE, CONFIGS_FILE = "connect.offsets.json", "connect.configs.json"
MEMBER_FILE = "connect.member"
JAVA_SERIALIZED = b"\xac\xed\x00\x05"

SourceOffset = tuple[Mapping[str, Any], Mapping[str, Any] | None]


class StoreError(ConnectError):
    """A file of the worker cannot be read or written."""

    code = "TID-506"


def partition_key(partition: Mapping[str, Any]) -> str:
    """Return the text that is the same for equal source partitions."""
    return json.dumps(partition, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class OffsetStore:
    """Source offsets by connector and source partition; several threads may write.

    Args:
        path: the file; None keeps them in memory only.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._writing = threading.Lock()
        self._offsets: dict[str, dict[str, Any]] = {}
        for connector, partition, offset in _read_list(path, "offsets"):
            self._offsets.setdefault(connector, {})[partition_key(partition)] = offset

    def read(self, connector: str, partitions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any] | None]:
        """Return the offset of each partition, in their order."""
        known = self._offsets.get(connector, {})
        return [known.get(partition_key(partition)) for partition in partitions]

    def all_of(self, connector: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Return every partition of a connector with its offset."""
        return [(json.loads(key), offset) for key, offset in self._offsets.get(connector, {}).items()]

    def write(self, connector: str, offsets: Iterable[SourceOffset]) -> None:
        """Store offsets durably; None removes one.

        Raises:
            StoreError: they could not be written.
        """
        with self._writing:
            changed = dict(self._offsets.get(connector, {}))
            for partition, offset in offsets:
                if offset is None:
                    changed.pop(partition_key(partition), None)
                else:
                    changed[partition_key(partition)] = dict(offset)
            everything = {**self._offsets, connector: changed}
            rows = [
                [name, json.loads(key), offset]
                for name, known in everything.items()
                for key, offset in known.items()
            ]
            _write_json(self._path, {"format": FORMAT, "offsets": rows})
            self._offsets = everything


class ConfigStore:
    """Connector configurations and target states.

    Args:
        path: the file; None keeps them in memory only.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._entries: dict[str, tuple[dict[str, str], str]] = {
            name: (config, state) for name, config, state in _read_list(path, "connectors")
        }

    def entries(self) -> dict[str, tuple[dict[str, str], str]]:
        """Return connector -> (configuration, target state)."""
        return dict(self._entries)

    def put(self, name: str, config: Mapping[str, str], target_state: str) -> None:
        """Store one connector durably."""
        self._store({**self._entries, name: (dict(config), target_state)})

    def remove(self, name: str) -> None:
        """Forget one connector durably."""
        self._store({one: entry for one, entry in self._entries.items() if one != name})

    def _store(self, entries: dict[str, tuple[dict[str, str], str]]) -> None:
        rows = [[name, config, state] for name, (config, state) in entries.items()]
        _write_json(self._path, {"format": FORMAT, "connectors": rows})
        self._entries = entries


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything that a worker keeps.

    Attributes:
        member_id: names the worker in consumer groups; the same after a restart.
    """

    configs: ConfigStore
    offsets: OffsetStore
    member_id: str


def open_stores(data_dir: Path | None, offsets_file: Path | None, worker_id: str) -> Stores:
    """Open a worker's stores.

    Args:
        data_dir: holds all of them; made if it is absent. None keeps configurations in memory.
        offsets_file: another place for the offsets.
        worker_id: host and port; tells workers apart that share an offsets file.

    Raises:
        StoreError: a file cannot be read, or is not one of ours.
    """
    if data_dir is None:
        return Stores(ConfigStore(None), OffsetStore(offsets_file), _member_beside(offsets_file, worker_id))
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the folder: {error.strerror}", where=str(data_dir)) from error
    return Stores(
        ConfigStore(data_dir / CONFIGS_FILE),
        OffsetStore(offsets_file or data_dir / OFFSETS_FILE),
        member_id(data_dir / MEMBER_FILE),
    )


def member_id(path: Path) -> str:
    """Return the name that a data folder's worker has in consumer groups, made on first use.

    The port cannot be it: a worker may come back on another one, and would wait until its old self times out.
    """
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        made = _new_member()
        _write(path, made.encode())
        return made
    except OSError as error:
        raise StoreError(f"cannot read the file: {error.strerror}", where=str(path)) from error


def _member_beside(offsets_file: Path | None, worker_id: str) -> str:
    """Return the name of a worker without a data folder.

    Host and port alone would be those of every worker that is started as it comes: on two machines they would
    fence each other's tasks in the group that a sink's name gives them.
    """
    if offsets_file is None:
        return _new_member()
    return f"{member_id(offsets_file.with_name(f'{offsets_file.name}.{MEMBER_FILE}'))}-{worker_id}"


def _new_member() -> str:
    return f"tidelock-{os.urandom(6).hex()}"


def _read_list(path: Path | None, name: str) -> list[Any]:
    if path is None:
        return []
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"cannot read the file: {error.strerror}", where=str(path)) from error
    if content.startswith(JAVA_SERIALIZED):
        raise StoreError(
            "the offsets were written by a Java worker",
            where=str(path),
            hint="choose another offset.storage.file.filename; source connectors then begin anew",
        )
    try:
        rows = json.loads(content)[name]
        assert isinstance(rows, list)
    except (ValueError, KeyError, TypeError, AssertionError):
        hint = "move it away to begin without what it held"
        raise StoreError("the file is not one of this worker's", where=str(path), hint=hint) from None
    return rows


def _write_json(path: Path | None, content: Mapping[str, Any]) -> None:
    if path is not None:
        _write(path, json.dumps(content, ensure_ascii=False).encode())


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"cannot write the file: {error.strerror}", where=str(path)) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
