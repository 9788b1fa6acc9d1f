"""What the offset topic says: source partitions and their offsets, found by meaning, written by bytes. Pure.

    ["<connector>",{partition}]   {offset}   null: forgotten

A JVM worker finds an offset by the bytes of its key, and its maps have an order of their own. So a key that
is there is used again as it stands; a new one is written in the order of Java's HashMap. If the same
partition is there under two keys, the record that came last counts.

Source: Kafka `storage.{KafkaOffsetBackingStore, OffsetStorageWriter, OffsetUtils}`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidelock.connect.runtime.java_text import java_json, java_order
from tidelock.connect.runtime.stores import SourceOffset, partition_key

log = logging.getLogger(__name__)

Keyed = tuple[bytes, bytes | None]
"""Key and value of a record; None removes."""


@dataclass(frozen=True, slots=True)
class _Known:
    key: bytes
    partition: dict[str, Any]
    offset: dict[str, Any] | None


class OffsetState:
    """The offset topic."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, _Known]] = {}

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """Take one record; what cannot be read is left out."""
        try:
            connector, partition = json.loads(key or b"")
            offset = None if value is None else json.loads(value)
            if not isinstance(connector, str) or not isinstance(partition, dict):
                raise ValueError("the key is not [connector, partition]")
            if not isinstance(offset, dict | None):
                raise ValueError("the value is no JSON object")
        except (ValueError, TypeError) as error:
            log.error("offset topic: the record %r is left out: %s", key, error)
            return
        assert key is not None
        known = self._known.setdefault(connector, {})
        known[partition_key(partition)] = _Known(key, partition, offset)

    def read(self, connector: str, partitions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any] | None]:
        """Return the offset of each partition, in their order."""
        known = self._known.get(connector, {})
        found = [known.get(partition_key(partition)) for partition in partitions]
        return [None if one is None else one.offset for one in found]

    def all_of(self, connector: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Return every partition of a connector that has an offset."""
        known = self._known.get(connector, {}).values()
        return [(one.partition, one.offset) for one in known if one.offset is not None]

    def records(self, connector: str, offsets: Iterable[SourceOffset]) -> list[Keyed]:
        """Return the records that store offsets; None forgets a partition's."""
        known = self._known.get(connector, {})
        made: list[Keyed] = []
        for partition, offset in offsets:
            found = known.get(partition_key(partition))
            key = found.key if found is not None else _key(connector, partition)
            made.append((key, None if offset is None else java_json(offset)))
        return made


def _key(connector: str, partition: Mapping[str, Any]) -> bytes:
    return java_json([connector, {name: partition[name] for name in java_order(partition)}])
