"""Reads and changes the offsets of a connector: a source's in the worker's store, a sink's in its group.

The connector itself looks at a change first and may refuse it. Blocking; the herder calls it in a thread,
under the connector's lock, and makes sure that the connector is stopped.

Source: Kafka `org.apache.kafka.connect.runtime.Worker` (connectorOffsets, modifyConnectorOffsets), KIP-875.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidelock.connect.api import ConnectError, Connector, SinkConnector, SourceConnector
from tidelock.connect.runtime.config_providers import Providers
from tidelock.connect.runtime.entries import ConnectorEntry
from tidelock.connect.runtime.errors import InvalidConfig
from tidelock.connect.runtime.exactly_once_task import Deadline, Holder, exactly_once_of
from tidelock.connect.runtime.kafka import client_properties
from tidelock.connect.runtime.offset_state import OffsetState
from tidelock.connect.runtime.sink_offsets import GroupOffsets, Items, group_of, parse_offsets, shown_offsets
from tidelock.connect.runtime.stores import OffsetStore, SourceOffset, partition_key
from tidelock.errors import TidelockError
from tidelock.protocol.error_codes import KafkaError
from tidelock.runtime import SystemClock

PATIENCE = 30.0
"""Seconds for a broker that is away."""


class ConnectorOffsets:
    """What REST's `/connectors/{name}/offsets` asks.

    Args:
        worker: the worker's keys as given.
        store: of the source connectors' offsets.
        providers: of values behind references.
    """

    def __init__(self, worker: Mapping[str, str], store: OffsetStore, providers: Providers) -> None:
        self._worker = worker
        self._store = store
        self._providers = providers

    def read(self, entry: ConnectorEntry, loaded: type[Connector]) -> list[dict[str, Any]]:
        """Return partitions with their offsets.

        Raises:
            TidelockError: of a sink, when Kafka does not answer.
        """
        if issubclass(loaded, SinkConnector):
            return shown_offsets(self._group(entry).committed())
        stored = self._store.all_of(entry.name)
        return [{"partition": partition, "offset": offset} for partition, offset in stored]

    def change(self, entry: ConnectorEntry, loaded: type[Connector], items: Items | None) -> bool:
        """Store other offsets, or none at all.

        Args:
            entry: the stopped connector.
            loaded: its class.
            items: partition and offset, None forgets the partition's; None forgets all.

        Returns:
            Whether the connector has looked at them, and manages no others elsewhere.

        Raises:
            InvalidConfig: they are refused, by the connector or by Kafka.
        """
        props = {"name": entry.name, **self._providers.resolved(entry.config)}
        try:
            if issubclass(loaded, SinkConnector):
                return self._change_sink(entry, loaded(), props, items)
            if issubclass(loaded, SourceConnector):
                return self._change_source(entry, loaded(), props, items)
        except ConnectError as error:
            raise InvalidConfig(error.what, where=f"connector {entry.name}", hint=error.hint) from error
        raise InvalidConfig("the connector is neither a source nor a sink", where=f"connector {entry.name}")

    def _change_source(
        self, entry: ConnectorEntry, connector: SourceConnector, props: Mapping[str, str], items: Items | None
    ) -> bool:
        stored = {partition_key(one): one for one, _ in self._store.all_of(entry.name)}
        holder = self._holder(entry)
        in_topic = OffsetState() if holder is None else holder.known()
        stored |= {partition_key(one): one for one, _ in in_topic.all_of(entry.name)}
        if items is None:
            items = [(partition, None) for partition in stored.values()]
        wanted: list[SourceOffset] = [(partition or {}, offset) for partition, offset in items]
        known = connector.alter_offsets(props, wanted)
        self._store.write(entry.name, wanted)
        if holder is not None:  # what the next task reads first
            holder.store(entry.name, in_topic, wanted)
        return known

    def _holder(self, entry: ConnectorEntry) -> Holder | None:
        """Return the holder of a standalone worker's exactly-once task's id, whose zombies are fenced now.

        Several workers keep such offsets themselves, and their leader fences.
        """
        worker, config = (self._providers.resolved(one) for one in (self._worker, entry.config))
        once = exactly_once_of(worker, config, entry.name, 0)
        if once is None or "group.id" in worker:
            return None
        properties = client_properties(worker, config, "producer")
        return Holder(once, properties, f"{entry.name}-offsets", Deadline(SystemClock(), PATIENCE))

    def _change_sink(
        self, entry: ConnectorEntry, connector: SinkConnector, props: Mapping[str, str], items: Items | None
    ) -> bool:
        wanted = None if items is None else parse_offsets(items)
        group = self._group(entry)
        known = connector.alter_offsets(props, wanted)
        try:
            if wanted is None:
                group.reset()
            else:
                group.change(wanted)
        except KafkaError as error:
            raise InvalidConfig(
                f"Failed to alter consumer group offsets for connector {entry.name}: {error.what}",
                where=error.where,
            ) from error
        return known

    async def forget_members(self, entry: ConnectorEntry, members: Sequence[str]) -> None:
        """Have the members that a stopped sink's tasks were leave its group now, where that can be said."""
        try:
            properties, group = self._where(entry)
        except TidelockError:  # a reference that is gone must not keep a connector from stopping
            return
        from tidelock.connect.runtime.cluster import remove_members  # codecs that nothing else here needs

        await remove_members(properties, group, members)

    def _where(self, entry: ConnectorEntry) -> tuple[dict[str, str], str]:
        worker, config = (self._providers.resolved(one) for one in (self._worker, entry.config))
        return client_properties(worker, config, "consumer"), group_of(worker, entry.name, config)

    def _group(self, entry: ConnectorEntry) -> GroupOffsets:
        return GroupOffsets(*self._where(entry))
