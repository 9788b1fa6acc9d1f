"""Whether a source connector may be exactly once as its configuration says. Pure but for its own word.

Source: KIP-618; Kafka `org.apache.kafka.connect.runtime.distributed.DistributedHerder`
(validateSourceConnectorConfig).
"""

from __future__ import annotations

from collections.abc import Mapping

from tidelock.config import Problem
from tidelock.connect.api import Connector, SourceConnector
from tidelock.connect.runtime.settings import SourceConnectorSettings, StandaloneSettings

_SUPPORT, _BOUNDARY = "exactly.once.support", "transaction.boundary"


def exactly_once_problems(
    loaded: type[Connector], config: Mapping[str, str], worker: Mapping[str, str]
) -> list[Problem]:
    """Return what speaks against it.

    Args:
        loaded: the connector.
        config: its configuration, whose keys are right one by one.
        worker: the worker's keys as given.
    """
    if not issubclass(loaded, SourceConnector):
        return []
    settings = SourceConnectorSettings.parse(config, strict=False)
    values, _ = StandaloneSettings.examine(worker, strict=False)
    is_enabled = values.get("exactly_once_source_support") == "enabled"
    problems: list[Problem] = []
    if settings.exactly_once_support == "required":
        problems += _required(loaded, config, is_enabled=is_enabled)
    if settings.transaction_boundary == "connector" and not loaded().can_define_transaction_boundaries(
        config
    ):
        why = "The connector does not support defining its own transaction boundaries"
        problems.append(Problem(_BOUNDARY, "connector", why))
    if is_enabled and "group.id" not in worker and settings.tasks_max > 1:
        why = "a standalone worker that is exactly once cannot fence the tasks of a former division; use 1"
        problems.append(Problem("tasks.max", str(settings.tasks_max), why))
    return problems


def _required(loaded: type[SourceConnector], config: Mapping[str, str], *, is_enabled: bool) -> list[Problem]:
    if not is_enabled:
        why = "This worker does not have exactly-once source support enabled (exactly.once.source.support)"
        return [Problem(_SUPPORT, "required", why)]
    supported = loaded().exactly_once_support(config)
    if supported:
        return []
    if supported is None:
        why = "The connector does not say whether it supports exactly-once delivery with this configuration"
    else:
        why = "The connector does not support exactly-once delivery guarantees with this configuration"
    return [Problem(_SUPPORT, "required", why)]
