"""The one table of what this broker serves: API key, versions, and the module that answers.

ApiVersions answers from it, the node dispatches by it, docs/compat/kafka.md is checked against it. A range
is served completely or not listed. Modules are imported at the first request, so that a broker starts
without the ones nobody uses. Ranges are those of Apache Kafka 4.2, which clients take as the broker's
version.

Produce says 0 although 0-2 are refused: librdkafka before 2.11.1 otherwise turns compression off
(KAFKA-18659). JoinGroup says 0 for the same library's feature map (KAFKA-19444).
"""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple


class ServedApi(NamedTuple):
    """One row: the range as advertised, and the module under `tidelock.broker.apis`.

    Args:
        least: the smallest version that is really answered, where it is not `min_version`.
    """

    key: int
    min_version: int
    max_version: int
    module: str
    least: int = 0


SERVED = (
    ServedApi(0, 0, 13, "produce", least=3),
    ServedApi(1, 4, 18, "fetch"),
    ServedApi(2, 1, 11, "list_offsets"),
    ServedApi(3, 0, 13, "metadata"),
    ServedApi(8, 2, 10, "offset_commit"),
    ServedApi(9, 1, 10, "offset_fetch"),
    ServedApi(10, 0, 6, "find_coordinator"),
    ServedApi(11, 0, 9, "join_group"),
    ServedApi(12, 0, 4, "heartbeat"),
    ServedApi(13, 0, 5, "leave_group"),
    ServedApi(14, 0, 5, "sync_group"),
    ServedApi(15, 0, 6, "describe_groups"),
    ServedApi(16, 0, 5, "list_groups"),
    ServedApi(18, 0, 4, "api_versions"),
    ServedApi(19, 2, 7, "create_topics"),
    ServedApi(20, 1, 6, "delete_topics"),
    ServedApi(21, 0, 2, "delete_records"),
    ServedApi(22, 0, 5, "init_producer_id"),
    ServedApi(23, 2, 4, "offset_for_leader_epoch"),
    ServedApi(24, 0, 5, "add_partitions_to_txn"),
    ServedApi(25, 0, 4, "add_offsets_to_txn"),
    ServedApi(26, 0, 5, "end_txn"),
    ServedApi(27, 1, 2, "write_txn_markers"),
    ServedApi(28, 0, 5, "txn_offset_commit"),
    ServedApi(32, 1, 4, "describe_configs"),
    ServedApi(33, 0, 2, "alter_configs"),
    ServedApi(34, 1, 2, "alter_replica_log_dirs"),
    ServedApi(35, 1, 4, "describe_log_dirs"),
    ServedApi(37, 0, 3, "create_partitions"),
    ServedApi(42, 0, 2, "delete_groups"),
    ServedApi(43, 0, 2, "elect_leaders"),
    ServedApi(44, 0, 1, "incremental_alter_configs"),
    ServedApi(45, 0, 1, "alter_partition_reassignments"),
    ServedApi(46, 0, 0, "list_partition_reassignments"),
    ServedApi(47, 0, 0, "offset_delete"),
    ServedApi(55, 0, 2, "describe_quorum"),
    ServedApi(57, 0, 2, "update_features"),
    ServedApi(60, 0, 2, "describe_cluster"),
    ServedApi(61, 0, 0, "describe_producers"),
    ServedApi(65, 0, 0, "describe_transactions"),
    ServedApi(66, 0, 2, "list_transactions"),
    ServedApi(74, 0, 1, "list_config_resources"),
    ServedApi(75, 0, 0, "describe_topic_partitions"),
)
BY_KEY = {row.key: row for row in SERVED}

_modules: dict[int, Any] = {}


def handler(key: int) -> Any:
    """Return the `handle` function of an API key that is in the table."""
    found = _modules.get(key)
    if found is None:
        module = importlib.import_module(f"tidelock.broker.apis.{BY_KEY[key].module}")
        found = _modules[key] = module.handle
    return found
