"""The relay publishes each row once, in the order of its key, whatever dies at whichever step."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from tidelock.sync import rules
from tidelock.sync.relay import Pump
from tidelock.sync.rules import OutboxRow, TopicEnds, TopicPartition


class Crash(Exception):
    """Stands for kill -9."""


@dataclass
class Fate:
    """Decides when the process dies: each step asks once, before or after its effect."""

    draw: random.Random
    deaths: int

    def may_die(self) -> None:
        if self.deaths and self.draw.random() < 0.2:
            self.deaths -= 1
            raise Crash


@dataclass
class Database:
    """Rows become visible in another order than they are numbered, as late commits do."""

    fate: Fate
    hidden: list[OutboxRow]
    rows: dict[int, OutboxRow] = field(default_factory=dict)
    ends: dict[TopicPartition, int] = field(default_factory=dict)

    def read(self, limit: int) -> list[OutboxRow]:
        for _ in range(self.fate.draw.randrange(4)):
            if self.hidden:
                row = self.hidden.pop(0)
                self.rows[row.id] = row
        self.fate.may_die()
        return [self.rows[number] for number in sorted(self.rows)][:limit]

    def positions(self) -> dict[TopicPartition, int]:
        self.fate.may_die()
        return dict(self.ends)

    def finish(self, published: Sequence[int], ends: Mapping[TopicPartition, int]) -> None:
        self.fate.may_die()
        for number in published:
            self.rows.pop(number, None)
        self.ends.update(ends)
        self.fate.may_die()


@dataclass
class MemoryLog:
    """Two partitions per topic; other producers write in between; a crash may cut an append anywhere."""

    fate: Fate
    partitions: dict[TopicPartition, list[tuple[str, int, bytes | None]]] = field(default_factory=dict)

    def append(
        self, rows: Sequence[OutboxRow], source: str, *, go_on: Callable[[], bool]
    ) -> Mapping[TopicPartition, int]:
        ends = {}
        for row in rows:
            self.fate.may_die()
            place = row.topic, (row.key or b"\0")[0] % 2
            records = self.partitions.setdefault(place, [])
            self.partitions.setdefault((row.topic, 1 - place[1]), [])
            records.append((source, row.id, row.key))
            ends[place] = len(records)
        self.fate.may_die()
        return ends

    def ends(self, topic: str, *, is_known: bool = False) -> TopicEnds:
        self.fate.may_die()
        for (name, _), records in self.partitions.items():
            if name == topic and self.fate.draw.random() < 0.3:
                records.append(("other", 1, b"x"))
        ends = {number: len(records) for (name, number), records in self.partitions.items() if name == topic}
        return TopicEnds(rules.incarnation_of(topic) if ends else rules.UNKNOWN, ends)

    def sequences(self, starts: Mapping[TopicPartition, int], source: str) -> set[int]:
        self.fate.may_die()
        tails = [self.partitions[place][start:] for place, start in starts.items()]
        return {number for tail in tails for owner, number, _ in tail if owner == source}

    def reset(self) -> None: ...

    def close(self) -> None: ...


def run(database: Database, log: MemoryLog, refresh: random.Random) -> None:
    """Go on after each death until nothing is left."""
    while True:
        try:
            pump = Pump(database, log, "mine", 3)
            pump.recover()
            while pump.step(lambda: True) or database.hidden or database.rows:
                if refresh.random() < 0.2:
                    pump.refresh()
            return
        except Crash:
            continue


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 25), st.integers(0, 12))
def test_each_row_once_in_the_order_of_its_key(seed: int, count: int, deaths: int) -> None:
    draw = random.Random(seed)
    rows = [
        OutboxRow(number, draw.choice(["orders", "bills"]), draw.choice([b"a", b"b", b"c"]), b"v", {}, 0)
        for number in range(1, count + 1)
    ]
    # A key's rows commit in their order (its writers hold its row lock); different keys in any order.
    hidden = sorted(rows, key=lambda row: row.id + draw.randrange(6) * (ord(row.key or b"a") - 96))
    by_key = {key: [row for row in rows if row.key == key] for key in {row.key for row in rows}}
    hidden = [by_key[row.key].pop(0) for row in hidden]
    fate = Fate(draw, deaths)
    database, log = Database(fate, hidden), MemoryLog(fate)
    run(database, log, draw)
    published = {place: [r for r in records if r[0] == "mine"] for place, records in log.partitions.items()}
    everything = [
        (topic, number, key) for (topic, _), records in published.items() for _, number, key in records
    ]
    assert sorted(everything) == sorted((row.topic, row.id, row.key) for row in rows)
    for records in published.values():
        for key in {key for _, _, key in records}:
            numbers = [number for _, number, one in records if one == key]
            assert numbers == sorted(numbers)


def test_rules_name_no_topic_twice() -> None:
    rows = [OutboxRow(n, t, None, None, {}, 0) for n, t in enumerate("aabab")]
    assert rules.new_topics(rows, {}) == ["a", "b"]
