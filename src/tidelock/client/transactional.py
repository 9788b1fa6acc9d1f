"""Sending records in transactions: all of one are there for read_committed readers, or none.

`init` fences whoever has the same transactional id, ends what it left open, and must come first. Then
`begin`, `send` as often as need be, `commit` or `abort`. Once somebody else has initialised the id, every
call raises ProducerFenced, for good.

Source: KIP-98, KIP-447 (errors).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidelock.client.errors import BrokerUnreachable, translated
from tidelock.client.producer import Producer
from tidelock.client.settings import ClientSettings, settings_of
from tidelock.errors import TidelockError
from tidelock.protocol.error_codes import InvalidProducerEpoch, ProducerFenced
from tidelock.runtime import Clock

TRY_FOR = 5.0
"""Seconds that one call waits for the broker; what it began goes on, and the next call takes it up."""
TIMEOUT_MS = "60000"


class TransactionalProducer(Producer):
    """A producer with a transactional id.

    Args:
        settings: client keys in any spelling, or a bootstrap address.
        transactional_id: whose holder this one becomes.
        name: client id.
        clock: see Producer.

    Raises:
        BrokerUnreachable: nobody listens at the bootstrap address.
        ConfigError: a key or a value is wrong.
    """

    def __init__(
        self,
        settings: ClientSettings | Mapping[str, object] | str,
        transactional_id: str,
        *,
        name: str = "tidelock-producer",
        clock: Clock | None = None,
    ) -> None:
        given = settings_of(settings)
        timeout = str(given.properties.get("transaction.timeout.ms", TIMEOUT_MS))
        # A record must not be on its way for longer than its transaction may last.
        mine = {"transactional.id": transactional_id, "transaction.timeout.ms": timeout}
        bounded = {"delivery.timeout.ms": timeout, "message.timeout.ms": timeout}
        kept = {key: value for key, value in given.properties.items() if key not in bounded}
        properties = {"bootstrap.servers": given.bootstrap, **kept, **mine, "delivery.timeout.ms": timeout}
        self.transactional_id = transactional_id
        super().__init__(ClientSettings.parse(_plain(properties)), name=name, clock=clock)

    def init(self) -> None:
        """Become the holder of the id.

        Raises:
            BrokerUnreachable: not in a few seconds; call it again.
            TidelockError: see `tidelock.client.errors`.
        """
        self._call(lambda: self._producer.init_transactions(TRY_FOR))

    def begin(self) -> None:
        """Begin a transaction."""
        self._call(self._producer.begin_transaction)

    def commit(self) -> None:
        """Make everything since `begin` visible.

        Raises:
            BrokerUnreachable: not in a few seconds; call it again, it may be done already.
            ProducerFenced: somebody else has the id; nothing is visible.
            TidelockError: the transaction can only be aborted.
        """
        self._call(lambda: self._producer.commit_transaction(TRY_FOR))
        self._raise_failure()

    def abort(self) -> None:
        """Undo everything since `begin`; raises as `commit`."""
        self._call(lambda: self._producer.abort_transaction(TRY_FOR))
        self._failure = None  # of a record that is undone now

    def _call(self, action: Callable[[], Any]) -> None:
        try:
            action()
        except self._library.KafkaException as error:
            raise self._verdict(error.args[0]) from None

    def _verdict(self, error: Any) -> TidelockError:
        where = f"transactional id {self.transactional_id}"
        made = translated(error, where)
        if error.name() == "_FENCED" or isinstance(made, ProducerFenced | InvalidProducerEpoch):
            return ProducerFenced(
                "another producer has this transactional id now", where=where, hint="stop this one"
            )
        if error.retriable() and not isinstance(made, BrokerUnreachable):
            return BrokerUnreachable(made.what, where=where)
        return made


def _plain(properties: Mapping[str, Any]) -> dict[str, str]:
    return {
        key: value.reveal() if hasattr(value, "reveal") else str(value) for key, value in properties.items()
    }
