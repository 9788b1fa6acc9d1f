"""Transactions through the node: both versions, fencing, time-outs, epochs that run out, restarts."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.node import MemoryBroker, fetch_request
from tests.support.transactions import TransactionalClient, committed_view, latest_offset, position
from tidelock.broker.apis.list_transactions import MOST_REPETITIONS
from tidelock.broker.purgatory import Parked
from tidelock.broker.transactions.state import MAX_EPOCH
from tidelock.protocol.error_codes import ErrorCode as E
from tidelock.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from tidelock.protocol.messages.describe_producers import DescribeProducersRequest, TopicRequest
from tidelock.protocol.messages.describe_transactions import DescribeTransactionsRequest
from tidelock.protocol.messages.list_transactions import ListTransactionsRequest
from tidelock.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)

A, B = ("t", 0), ("t", 1)


@pytest.fixture
def broker() -> MemoryBroker:
    found = MemoryBroker()
    found.create("t", 2)
    return found


def started(broker: MemoryBroker, name: str = "mine", version: int = 2, **given: Any) -> TransactionalClient:
    client = TransactionalClient(broker, name, version, **given)
    assert client.init() == 0
    return client


def wrote(client: TransactionalClient, *values: bytes, key: tuple[str, int] = A) -> None:
    if client.version == 1:
        assert client.add(key) == 0
    assert client.write(key, *values) == 0


def described(broker: MemoryBroker, name: str = "mine") -> Any:
    return broker.send(DescribeTransactionsRequest(transactional_ids=[name])).transaction_states[0]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("commit", [True, False])
def test_a_transaction_is_seen_whole_or_not_at_all(broker: MemoryBroker, version: int, commit: bool) -> None:
    client = started(broker, version=version)
    wrote(client, b"1", b"2")
    wrote(client, b"3", key=B)
    assert committed_view(broker, A) == ([], 0)
    assert (latest_offset(broker, A, committed=True), latest_offset(broker, A, committed=False)) == (0, 2)
    assert client.end(commit=commit) == 0
    assert committed_view(broker, A) == ([(0, b"1"), (1, b"2")] if commit else [], 3)
    assert committed_view(broker, B) == ([(0, b"3")] if commit else [], 2)
    wrote(client, b"next")
    assert client.end(commit=True) == 0
    assert committed_view(broker, A)[0][-1] == (3, b"next")
    assert described(broker).transaction_state == "CompleteCommit"


def test_only_version_2_raises_the_epoch(broker: MemoryBroker) -> None:
    for version, epoch in ((1, 0), (2, 1)):
        client = started(broker, f"v{version}", version)
        wrote(client, b"x")
        assert client.end(commit=True) == 0
        assert client.epoch == epoch


@pytest.mark.parametrize(("api", "code"), [(10, E.INVALID_TXN_STATE), (11, E.TRANSACTION_ABORTABLE), (12, 0)])
def test_a_partition_must_be_in_the_transaction(broker: MemoryBroker, api: int, code: int) -> None:
    assert started(broker).write(A, b"x", api=api) == code


def test_who_may_not_write(broker: MemoryBroker) -> None:
    client = started(broker)
    stranger = TransactionalClient(broker, "unknown")
    stranger.id, stranger.epoch = client.id, client.epoch
    assert stranger.write(A, b"x") == E.INVALID_PRODUCER_ID_MAPPING
    late = started(broker)
    assert client.write(A, b"x") == E.INVALID_PRODUCER_EPOCH
    assert client.end(commit=True) == E.PRODUCER_FENCED
    late.sequences[A] = 5
    assert late.write(A, b"x") == E.OUT_OF_ORDER_SEQUENCE_NUMBER


@pytest.mark.parametrize("version", [1, 2])
def test_a_new_client_aborts_what_the_old_one_left_open(broker: MemoryBroker, version: int) -> None:
    old = started(broker, version=version)
    wrote(old, b"x")
    new = TransactionalClient(broker, "mine", version)
    assert new.init() == E.CONCURRENT_TRANSACTIONS
    assert committed_view(broker, A) == ([], 2)
    assert new.init() == 0
    assert (new.id, new.epoch) == (old.id, 3)
    assert old.end(commit=True) == E.PRODUCER_FENCED
    assert old.write(A, b"y") == E.INVALID_PRODUCER_EPOCH


def test_a_retried_end_of_version_2_is_answered_as_the_first(broker: MemoryBroker) -> None:
    client = started(broker)
    wrote(client, b"x")
    assert client.end(commit=True) == 0
    client.epoch -= 1
    assert client.end(commit=False) == E.INVALID_TXN_STATE
    assert client.end(commit=True) == 0
    assert client.epoch == 1
    assert client.end(commit=True) == E.INVALID_TXN_STATE
    assert client.end(commit=False) == 0  # without a transaction: only a new epoch
    assert client.epoch == 2
    assert latest_offset(broker, A, committed=False) == 2


def test_ends_of_version_1(broker: MemoryBroker) -> None:
    client = started(broker, version=1)
    assert client.end(commit=True) == E.INVALID_TXN_STATE
    wrote(client, b"x")
    assert client.end(commit=True) == 0
    assert client.end(commit=True) == 0
    assert client.end(commit=False) == E.INVALID_TXN_STATE


@pytest.mark.parametrize("version", [1, 2])
def test_a_transaction_that_is_open_for_too_long_is_aborted(broker: MemoryBroker, version: int) -> None:
    client = started(broker, version=version, timeout_ms=5_000)
    wrote(client, b"x")
    broker.advance(4.9)
    assert latest_offset(broker, A, committed=True) == 0
    broker.kill() if version == 1 else broker.restart()
    broker.advance(0.2)
    assert committed_view(broker, A) == ([], 2)
    assert client.write(A, b"y") == E.INVALID_PRODUCER_EPOCH
    assert client.end(commit=True) == E.PRODUCER_FENCED
    assert described(broker).producer_epoch == 2


@pytest.mark.parametrize("timeout", [0, -1, 900_001])
def test_timeouts_have_bounds(broker: MemoryBroker, timeout: int) -> None:
    assert TransactionalClient(broker, "mine", timeout_ms=timeout).init() == E.INVALID_TRANSACTION_TIMEOUT


def test_a_client_asks_for_the_next_epoch_of_what_it_has(broker: MemoryBroker) -> None:
    client = started(broker)
    assert client.init(keep=True) == 0
    assert client.epoch == 1
    client.epoch = 0
    assert client.init(keep=True) == 0  # its answer was lost
    assert client.epoch == 1
    other = started(broker)
    assert client.init(keep=True) == E.PRODUCER_FENCED
    client.id += 1
    assert client.init(keep=True) == E.PRODUCER_FENCED
    assert other.epoch == 2


def test_when_epochs_run_out_the_producer_gets_a_new_id(broker: MemoryBroker) -> None:
    client = started(broker)
    raise_epoch(broker, MAX_EPOCH - 2)
    client.epoch = MAX_EPOCH - 2
    first = client.id
    wrote(client, b"1")
    assert client.end(commit=True) == 0
    assert (client.id, client.epoch) == (first, MAX_EPOCH - 1)
    wrote(client, b"2")
    assert client.end(commit=True) == 0
    second = client.id
    assert (second != first, client.epoch) == (True, 0)
    client.id, client.epoch = first, MAX_EPOCH - 1
    assert client.end(commit=True) == 0  # sent again
    assert (client.id, client.epoch) == (second, 0)
    wrote(client, b"3")
    assert client.end(commit=True) == 0
    assert [value for _, value in committed_view(broker, A)[0]] == [b"1", b"2", b"3"]
    raise_epoch(broker, MAX_EPOCH - 1)
    fresh = started(broker)
    assert (fresh.id not in (first, second), fresh.epoch) == (True, 0)


def raise_epoch(broker: MemoryBroker, epoch: int) -> None:
    """Let many transactions have passed."""
    from dataclasses import replace

    found = broker.state.transactions.transactions["mine"]
    broker.state.journal_transaction("mine", replace(found, epoch=epoch), broker.now())
    broker.restart()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("commit", [True, False])
def test_positions_count_when_the_transaction_commits(
    broker: MemoryBroker, version: int, commit: bool
) -> None:
    client = started(broker, version=version)
    if version == 1:
        assert client.commit_offset("g", A, 7) == E.TRANSACTION_ABORTABLE
        assert client.add_offsets("g") == 0
    assert client.commit_offset("g", A, 7) == 0
    assert position(broker, "g", A) == (E.UNSTABLE_OFFSET_COMMIT, -1)
    assert position(broker, "g", A, stable=False) == (0, -1)
    broker.restart()
    assert position(broker, "g", A) == (E.UNSTABLE_OFFSET_COMMIT, -1)
    assert client.end(commit=commit) == 0
    assert position(broker, "g", A) == (0, 7 if commit else -1)
    broker.kill()
    assert position(broker, "g", A) == (0, 7 if commit else -1)


def test_a_reader_of_committed_data_waits_for_the_decision(broker: MemoryBroker) -> None:
    client = started(broker)
    request = fetch_request("t", 0, isolation_level=1, max_wait_ms=5_000, min_bytes=1)
    wrote(client, b"x")
    waiting = broker.send(request, 11)
    assert isinstance(waiting, Parked)
    wrote(client, b"y")
    assert broker.finished() == {}
    assert client.end(commit=True) == 0
    found = broker.finished()[waiting].responses[0].partitions[0]
    assert (found.last_stable_offset, found.high_watermark) == (3, 3)
    big = broker.send(fetch_request("t", 3, isolation_level=1, max_wait_ms=5_000, min_bytes=1_000), 11)
    wrote(client, b"z" * 500)
    assert client.end(commit=True) == 0
    assert broker.finished() == {}
    wrote(client, b"z" * 500)
    assert broker.finished() == {}
    assert client.end(commit=True) == 0
    assert list(broker.finished()) == [big]


def test_a_decided_transaction_is_ended_after_a_crash(broker: MemoryBroker) -> None:
    client = started(broker)
    wrote(client, b"1")
    wrote(client, b"2", key=B)
    broker.state.partition(*B).append_marker = refuse  # type: ignore[method-assign]  # a disk that fails
    assert client.end(commit=True) == 0
    assert described(broker).transaction_state == "PrepareCommit"
    assert committed_view(broker, A) == ([(0, b"1")], 2)
    assert client.write(A, b"3") == E.CONCURRENT_TRANSACTIONS
    assert TransactionalClient(broker, "mine").init() == E.CONCURRENT_TRANSACTIONS
    broker.restart()
    assert described(broker).transaction_state == "CompleteCommit"
    assert committed_view(broker, B)[0] == [(0, b"2")]


def test_a_marker_that_was_refused_is_tried_again(broker: MemoryBroker) -> None:
    client = started(broker)
    wrote(client, b"2", key=B)
    partition = broker.state.partition(*B)
    works = partition.append_marker
    partition.append_marker = refuse  # type: ignore[method-assign]  # a disk that fails
    assert client.end(commit=True) == 0
    broker.advance(2.5)
    assert described(broker).transaction_state == "PrepareCommit"
    partition.append_marker = works  # type: ignore[method-assign]  # and works again
    broker.advance(1.0)
    assert described(broker).transaction_state == "CompleteCommit"
    assert latest_offset(broker, B, committed=True) == 2


def refuse(*_: object) -> Any:
    from tidelock.protocol.error_codes import KafkaStorageError

    raise KafkaStorageError("no")


def test_an_outcome_that_is_not_durable_is_none(broker: MemoryBroker) -> None:
    client = started(broker)
    wrote(client, b"x")
    broker.files.fail("append", 28)
    assert client.end(commit=True) == E.NOT_COORDINATOR
    assert latest_offset(broker, A, committed=True) == 0
    assert client.end(commit=True) == 0
    assert committed_view(broker, A)[0] == [(0, b"x")]


def test_a_deleted_topic_does_not_keep_a_transaction_from_ending(broker: MemoryBroker) -> None:
    client = started(broker)
    wrote(client, b"x")
    broker.delete("t")
    assert client.end(commit=True) == 0
    assert described(broker).transaction_state == "CompleteCommit"


def test_unknown_partitions_keep_the_others_out(broker: MemoryBroker) -> None:
    client = started(broker, version=1)
    assert client.add(A, ("t", 9)) == E.OPERATION_NOT_ATTEMPTED
    assert client.add(("t", 9)) == E.UNKNOWN_TOPIC_OR_PARTITION
    assert described(broker).transaction_state == "Empty"


@pytest.mark.parametrize("version", range(6))
def test_add_partitions_in_every_version(broker: MemoryBroker, version: int) -> None:
    client = started(broker, version=1)
    if version < 4:
        assert client.add(A, version=version) == 0
        client.epoch = 7
        code = E.PRODUCER_FENCED if version >= 2 else E.INVALID_PRODUCER_EPOCH
        assert client.add(A, version=version) == code
        return

    def ask(partition: int, verify_only: bool) -> int:
        topic = AddPartitionsToTxnTopic(name="t", partitions=[partition])
        one = AddPartitionsToTxnTransaction(
            transactional_id="mine",
            producer_id=client.id,
            producer_epoch=client.epoch,
            verify_only=verify_only,
            topics=[topic],
        )
        answer = broker.send(AddPartitionsToTxnRequest(transactions=[one]), version)
        results = answer.results_by_transaction[0].topic_results[0].results_by_partition
        return int(results[0].partition_error_code)

    assert ask(0, verify_only=True) == E.TRANSACTION_ABORTABLE
    assert ask(0, verify_only=False) == 0
    assert ask(0, verify_only=True) == 0


def test_transactions_are_listed(broker: MemoryBroker) -> None:
    open_one = started(broker, "open")
    wrote(open_one, b"x")
    started(broker, "idle")
    broker.advance(10)

    def names(version: int = 2, **filters: Any) -> list[str]:
        found = broker.send(ListTransactionsRequest(**filters), version)
        assert found.error_code == 0
        return sorted(one.transactional_id for one in found.transaction_states)

    assert names(0) == ["idle", "open"]
    assert names(state_filters=["Ongoing", "Nonsense"]) == ["open"]
    assert names(producer_id_filters=[open_one.id]) == ["open"]
    assert names(duration_filter=9_000, state_filters=["Ongoing"]) == ["open"]
    assert names(duration_filter=11_000, state_filters=["Ongoing"]) == []
    assert names(transactional_id_pattern="o.*n") == ["open"]
    unknown = broker.send(ListTransactionsRequest(state_filters=["Nonsense"]), 0).unknown_state_filters
    assert unknown == ["Nonsense"]


@pytest.mark.parametrize(
    "pattern", ["(", "(a+)+", "(a|b)*", r"(a)\1", "a*" * (MOST_REPETITIONS + 1), "a" * 999]
)
def test_patterns_that_could_take_long_are_refused(broker: MemoryBroker, pattern: str) -> None:
    found = broker.send(ListTransactionsRequest(transactional_id_pattern=pattern), 2)
    assert found.error_code == E.INVALID_REGULAR_EXPRESSION


def test_a_transaction_that_hangs_is_found_and_aborted(broker: MemoryBroker) -> None:
    client = started(broker)
    wrote(client, b"x")

    def producer() -> Any:
        request = DescribeProducersRequest(topics=[TopicRequest(name="t", partition_indexes=[0, 5])])
        found, missing = broker.send(request).topics[0].partitions
        assert missing.error_code == E.UNKNOWN_TOPIC_OR_PARTITION
        return found.active_producers[0]

    def abort(epoch: int, version: int = 1) -> int:
        topic = WritableTxnMarkerTopic(name="t", partition_indexes=[0])
        marker = WritableTxnMarker(
            producer_id=client.id, producer_epoch=epoch, topics=[topic], transaction_version=2
        )
        answer = broker.send(WriteTxnMarkersRequest(markers=[marker]), version)
        return int(answer.markers[0].topics[0].partitions[0].error_code)

    assert (producer().producer_id, producer().current_txn_start_offset) == (client.id, 0)
    assert abort(-1) == E.INVALID_PRODUCER_EPOCH
    assert abort(0, 2) == E.INVALID_PRODUCER_EPOCH
    assert abort(0) == 0
    assert producer().current_txn_start_offset == -1
    assert committed_view(broker, A) == ([], 2)


def test_an_id_that_nobody_uses_is_forgotten(broker: MemoryBroker) -> None:
    idle, busy = started(broker, "idle"), started(broker, "busy")
    broker.advance(4 * 86_400)
    wrote(busy, b"x")
    assert busy.end(commit=True) == 0
    broker.advance(3 * 86_400 + 3_700)
    broker.restart()
    assert described(broker, "idle").error_code == E.TRANSACTIONAL_ID_NOT_FOUND
    assert described(broker, "busy").error_code == 0
    assert idle.end(commit=False) == E.INVALID_PRODUCER_ID_MAPPING
    assert described(broker, "").error_code == E.INVALID_REQUEST


def test_status_titles_are_kafkas() -> None:
    from tidelock.broker.transactions.state import TransactionStatus

    titles = [status.title for status in TransactionStatus]
    assert titles[:3] == ["Empty", "Ongoing", "PrepareCommit"]
    assert all(re.fullmatch(r"([A-Z][a-z]+)+", title) for title in titles)
