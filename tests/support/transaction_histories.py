"""Random transaction histories against the model; `python -m tests.support.transaction_histories COUNT`.

A history is a seed: clients of both versions share transactional ids, write, retry, commit positions, fence
each other, time out, run out of epochs, while the broker is stopped or killed. Every answer is compared with
the model's, and at the end (and now and then) everything that readers see.
"""

from __future__ import annotations

import random
import sys
from dataclasses import replace

from tests.support.node import MemoryBroker, fetch_request
from tests.support.transaction_model import LAST_EPOCH, OFFSETS, Key, Model
from tests.support.transactions import TransactionalClient, committed_view, latest_offset, position
from tidelock.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from tidelock.protocol.records import iter_batches

KEYS: tuple[Key, ...] = (("t", 0), ("t", 1))
NAMES = ("a", "b", "c")
GROUP = "g"
STEPS = 40


class History:
    """One seed's way through broker and model."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.broker = MemoryBroker(log_segment_bytes=self.random.choice((600, 1 << 20)))
        self.broker.create("t", len(KEYS))
        self.model = Model()
        self.clients: list[TransactionalClient] = []
        self.done: list[str] = []
        self.values = 0

    def run(self, steps: int = STEPS) -> None:
        kinds = (
            (self.start, 2), (self.write, 12), (self.end, 6), (self.commit_offset, 3), (self.restart, 1),
            (self.add, 4), (self.write_again, 2), (self.end_again, 2), (self.keep, 2), (self.wait, 3),
            (self.write_plainly, 1), (self.commit_plainly, 1), (self.near_the_last_epoch, 1),
            (self.old_write, 1),
        )  # fmt: skip
        acts, weights = zip(*kinds, strict=True)
        self.start()
        for number in range(steps):
            self.random.choices(acts, weights)[0]()
            if number % 8 == 0:
                self.compare()
        self.compare()

    def same(self, what: str, found: object, expected: object) -> None:
        self.done.append(f"{what}: {found}")
        assert found == expected, "\n".join([*self.done, f"the model says {expected}"])

    def some(self) -> TransactionalClient:
        return self.random.choice(self.clients[-5:])

    # -- operations

    def start(self) -> None:
        name, version = self.random.choice(NAMES), self.random.choice((1, 2))
        client = TransactionalClient(self.broker, name, version, self.random.choice((5_000, 20_000, 60_000)))
        self._init(client, keep=False)
        if client.id >= 0:
            self.clients.append(client)
        elif not self.clients:
            self.start()

    def keep(self) -> None:
        self._init(self.some(), keep=True)

    def _init(self, client: TransactionalClient, *, keep: bool) -> None:
        had = (client.id, client.epoch) if keep else (-1, -1)
        code, pid, epoch = self.model.init(client.name, client.timeout_ms, *had)
        found = client.init(keep=keep)
        answer = (found, client.id, client.epoch) if not found else (found, -1, -1)
        self.same(f"init {client.name} v{client.version} {had}", answer, (code, pid, epoch))

    def add(self) -> None:
        client, key = self.some(), self.random.choice((*KEYS, OFFSETS))
        expected = self.model.add(client.name, client.id, client.epoch, key)
        found = client.add_offsets(GROUP) if key == OFFSETS else client.add(key)
        self.same(f"add {_named(client)} {key}", found, expected)

    def write(self) -> None:
        client = self.some()
        self._write(client, self.random.choice(KEYS), 2 if client.version == 2 else 1)

    def old_write(self) -> None:
        self._write(self.some(), self.random.choice(KEYS), 0)

    def _write(self, client: TransactionalClient, key: Key, support: int) -> None:
        self.values += 1
        values = tuple(b"%d.%d" % (self.values, n) for n in range(self.random.randint(1, 3)))
        sequence = client.sequences.get(key, 0)
        who = (client.name, client.id, client.epoch)
        expected = self.model.write(key, who, sequence, values, support)
        found = client.write(key, *values, api=(10, 11, 12)[support])
        self.same(f"write {_named(client)} {key} {sequence} {values}", found, expected)

    def write_again(self) -> None:
        """A batch whose answer was lost, or one that is out of order."""
        client, key = self.some(), self.random.choice(KEYS)
        kept = dict(client.sequences)
        client.sequences[key] = max(kept.get(key, 0) - self.random.randint(-1, 2), 0)
        self._write(client, key, 2 if client.version == 2 else 1)
        if kept.get(key, 0) > client.sequences[key]:
            client.sequences = kept

    def end(self) -> None:
        client, commit = self.some(), self.random.random() < 0.6
        expected = self.model.end(client.name, client.id, client.epoch, commit=commit, version=client.version)
        before = _named(client)
        code = client.end(commit=commit)
        if client.version == 1:
            self.same(f"end {before} {commit}", code, expected[0])
        else:
            found = (code, client.id, client.epoch) if not code else (code, -1, -1)
            self.same(f"end {before} {commit}", found, expected)

    def end_again(self) -> None:
        """The answer to an end was lost: the client still has what it had."""
        client = self.some()
        had = client.id, client.epoch
        self.end()
        if client.epoch > 0 and self.random.random() < 0.5:
            client.epoch -= 1
        else:
            client.id, client.epoch = had
        self.clients.append(client)
        self.end()

    def commit_offset(self) -> None:
        client, key, offset = self.some(), self.random.choice(KEYS), self.random.randint(0, 99)
        who = (client.name, client.id, client.epoch)
        expected = self.model.commit_offset(key, offset, who, 2 if client.version == 2 else 1)
        found = client.commit_offset(GROUP, key, offset)
        self.same(f"offset {_named(client)} {key} {offset}", found, expected)

    def write_plainly(self) -> None:
        key = self.random.choice(KEYS)
        self.model.write_plainly(key, b"plain")
        self.broker.produce(key[0], b"plain", partition=key[1])
        self.done.append(f"plain {key}")

    def commit_plainly(self) -> None:
        key, offset = self.random.choice(KEYS), self.random.randint(0, 99)
        self.model.commit_plainly(key, offset)
        one = OffsetCommitRequestPartition(partition_index=key[1], committed_offset=offset)
        topic = OffsetCommitRequestTopic(name=key[0], partitions=[one])
        found = self.broker.send(OffsetCommitRequest(group_id=GROUP, topics=[topic]), 9)
        self.same(f"plain offset {key} {offset}", found.topics[0].partitions[0].error_code, 0)

    def wait(self) -> None:
        seconds = self.random.choice((1, 4, 15))
        self.model.pass_time(seconds * 1000)
        self.broker.advance(seconds)
        self.done.append(f"wait {seconds}")

    def restart(self) -> None:
        self.model.restart()
        killed = self.random.random() < 0.5
        self.broker.kill() if killed else self.broker.restart()
        self.done.append("kill" if killed else "restart")

    def near_the_last_epoch(self) -> None:
        """Let many transactions have passed."""
        client = self.some()
        image = self.broker.state.transactions.transactions[client.name]
        if image.is_ongoing:
            return
        epoch = self.random.randint(LAST_EPOCH - 4, LAST_EPOCH - 1)
        self.model.ids[client.name].epoch = max(epoch, image.epoch)
        raised = replace(image, epoch=max(epoch, image.epoch))
        self.broker.state.journal_transaction(client.name, raised, self.broker.now())
        self.restart()
        if image.producer_id == client.id and image.epoch == client.epoch:
            client.epoch = raised.epoch
            client.sequences = {}

    # -- what readers see

    def compare(self) -> None:
        for key in KEYS:
            self.same(
                f"end of {key}", latest_offset(self.broker, key, committed=False), self.model.log_end(key)
            )
            stable = self.model.last_stable(key)
            self.same(f"stable {key}", latest_offset(self.broker, key, committed=True), stable)
            self.same(f"view {key}", committed_view(self.broker, key), (self.model.committed(key), stable))
            self._compare_aborted(key, self.random.randint(0, stable))
        for key in KEYS:
            self.same(f"position {key}", position(self.broker, GROUP, key), self.model.position(key))
        del self.done[:-80]

    def _compare_aborted(self, key: Key, offset: int) -> None:
        size = self.random.choice((1, 300, 1 << 20))
        request = fetch_request(key[0], offset, partition=key[1], isolation_level=1, partition_max_bytes=size)
        answer = self.broker.send(request, 11).responses[0].partitions[0]
        data = bytes(answer.records or b"")
        end = [header.last_offset + 1 for header, _ in iter_batches(data)][-1] if data else offset
        found = [(one.producer_id, one.first_offset) for one in answer.aborted_transactions or []]
        expected = self.model.aborted(key, offset, end) if data else []
        self.same(f"aborted {key} {offset}-{end}", found, expected)


def _named(client: TransactionalClient) -> str:
    return f"{client.name} v{client.version} {client.id}/{client.epoch}"


def main(count: int, first: int = 0) -> None:
    for seed in range(first, first + count):
        try:
            History(seed).run()
        except AssertionError:
            sys.stderr.write(f"seed {seed}\n")
            raise
    sys.stdout.write(f"{count} histories from seed {first}: as the model says\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
