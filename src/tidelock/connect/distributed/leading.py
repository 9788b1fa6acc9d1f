"""Writes that only the leader may make: to the config topic in transactions, and rounds of fencing.

A leader that was away and does not know that another leads now must not write. So, where exactly-once sources
are enabled or prepared, the leader holds the transactional id `connect-cluster-<group>`: its successor takes
the id, and the former leader's writes fail from then on. And before the tasks of a new task set may write,
those of the sets before it are shut out by their ids, `<group>-<connector>-<task>`; how many there were is in
the config topic. Rules (`fencing_round`) are pure.

Source: KIP-618; Kafka `storage.KafkaConfigBackingStore` (sendPrivileged),
`runtime.distributed.DistributedHerder` (fenceZombieSourceTasks), `DistributedConfig`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from tidelock.client.transactions import Transactions, fence
from tidelock.client.wire import Cluster
from tidelock.connect.distributed.backing import Backing
from tidelock.connect.distributed.config_state import ConfigState, fencing_record
from tidelock.connect.runtime.exactly_once_task import transactional_id_of
from tidelock.connect.runtime.offset_state import Keyed
from tidelock.errors import ConflictError, TidelockError
from tidelock.protocol.error_codes import ProducerFenced
from tidelock.runtime import Clock

log = logging.getLogger(__name__)

LEADER_ID = "connect-cluster-{}"
PATIENCE = 10.0
"""Seconds for which a write waits until this worker holds the leader's id."""


class LeaderReplaced(ConflictError):
    """Another worker leads the group now, or is about to; whoever asked may ask again: 409."""

    code = "TID-546"
    status = 409
    retriable = True


@dataclass(frozen=True, slots=True)
class FencingRound:
    """What has to be done before the tasks of a connector may write.

    Attributes:
        fence: how many tasks of former sets are to be shut out, from number 0.
        record: how many tasks may have transactions afterwards.
    """

    fence: int
    record: int


def fencing_round(known: ConfigState, connector: str) -> FencingRound | None:
    """Return what a connector's tasks wait for; None when all former ones are shut out already.

    Args:
        known: the config topic, read to its end.
        connector: its name.
    """
    if connector not in known.unfenced:
        return None
    before, now = known.fencing.get(connector), known.count(connector)
    if before is None or before == now == 1:  # a single task shuts its predecessor out by itself
        return FencingRound(0, now)
    return FencingRound(before, now)


class Leading:
    """The leader's writes.

    Args:
        backing: has the config topic.
        cluster: the brokers.
        group: id of the workers' group.
        clock: of the machine.
        transactional: whether writes go in transactions.
    """

    def __init__(
        self, backing: Backing, cluster: Cluster, group: str, clock: Clock, *, transactional: bool
    ) -> None:
        self._backing = backing
        self._cluster = cluster
        self._group = group
        self._clock = clock
        self._is_transactional = transactional
        self._held: Transactions | None = None
        self._holds = asyncio.Event()
        self._writing = asyncio.Lock()
        self._rounds: dict[str, asyncio.Lock] = {}

    async def claim(self) -> None:
        """Become the one who may write, unless this worker is it already; to be called by the leader only.

        Raises:
            BrokerUnreachable, KafkaError: the id cannot be had now.
        """
        if not self._is_transactional or self._held is not None:
            return
        made = Transactions(self._cluster, LEADER_ID.format(self._group), clock=self._clock)
        await made.init()
        await self._backing.read_config()  # what a former leader wrote up to now
        self._held = made
        self._holds.set()

    def resign(self) -> None:
        """Hold the id no more: another worker leads."""
        self._held = None
        self._holds.clear()

    async def write(self, records: Sequence[Keyed]) -> None:
        """Write to the config topic; returns when it is durable and was read back.

        Raises:
            LeaderReplaced: another worker leads now; nothing was written.
            BrokerUnreachable, KafkaError: it may be written or not.
        """
        if not self._is_transactional:
            await self._backing.write_config(records)
            return
        async with self._writing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self._holds.wait()
            held = self._held
            if held is None:
                raise _replaced()
            try:
                await self._backing.write_config(records, held)
            except ProducerFenced as error:
                self.resign()
                raise _replaced() from error
            except BaseException:
                self.resign()  # the transaction may be open: the next claim ends it
                raise

    async def fence(self, connector: str, *, anyway: bool = False) -> None:
        """Shut out the tasks of a connector's former task sets, if that was not done since the last change.

        Args:
            connector: its name.
            anyway: shut out also those of the present set, whose offsets are about to be changed.

        Raises:
            LeaderReplaced: the connector has another task set now, or there is another leader.
            BrokerUnreachable, KafkaError: a task could not be shut out.
        """
        async with self._rounds.setdefault(connector, asyncio.Lock()):
            await self._backing.read_config()
            known = self._backing.config
            todo, generation = fencing_round(known, connector), known.generations.get(connector)
            count = known.fencing.get(connector, 0) if anyway else 0 if todo is None else todo.fence
            if count:
                log.info("connector %s: %d tasks of former sets are shut out", connector, count)
                ids = [transactional_id_of(self._group, connector, number) for number in range(count)]
                await fence(self._cluster, ids, self._clock)
                await self._backing.read_config()
            if known.generations.get(connector) != generation:
                raise LeaderReplaced(
                    f"Fencing failed because new task configurations were generated for connector {connector}"
                )
            if todo is not None:
                await self.write([fencing_record(connector, todo.record)])


def _replaced() -> TidelockError:
    return LeaderReplaced("this worker leads the group no more, or not yet", hint="ask again in a moment")
