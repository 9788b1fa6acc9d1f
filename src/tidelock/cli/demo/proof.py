"""Act 5: the proof. Four independent witnesses must agree.

1. `tidelock verify`: the instances' databases, together, against the common one, row by row.
2. The topic itself: every event that the outboxes ever held is there once, and the events of each key are in
   the order in which they were committed.
3. The witness sink's table, which has no key: as many rows as events, so nothing was written twice; and the
   sinks' ledgers say that they took every record into account.
4. The orders that were read at the start: number, lines and total, exactly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tidelock.cli.demo.database import TABLE, events_committed
from tidelock.cli.demo.record import RunRecord
from tidelock.cli.demo.sink import SINKS
from tidelock.cli.demo.stage import Stage, caught_up
from tidelock.cli.demo.topic import TopicEvent, read_topic
from tidelock.cli.demo.world import World
from tidelock.sync import verify

TOPIC = "orders"
MUST_BE_ZERO = (
    "missing",
    "extra",
    "different",
    "duplicate",
    "out_of_order_per_key",
    "events_twice",
    "events_missing",
)
MUST_HOLD = ("checksums_equal", "sums_equal", "ledgers_complete")


@dataclass(slots=True)
class TopicCheck:
    """What the topic's records say about themselves."""

    events: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    last: dict[str, int] = field(default_factory=dict)
    """Source -> the highest sequence seen."""
    against: list[dict[str, Any]] = field(default_factory=list)
    """The events that are there twice or out of order."""

    @property
    def gaps(self) -> int:
        """Sequences that are missing below the highest one of their source."""
        return sum(self.last.values()) - (self.events - self.duplicates)


def check_topic(events: Iterable[TopicEvent]) -> TopicCheck:
    """Check the records of a topic, each partition's in offset order.

    An event is named by its source (the outbox it came from) and its sequence there, counted from 1. Per key
    and source the sequences must ascend, all in one partition.
    """
    check = TopicCheck()
    seen: set[tuple[str, int]] = set()
    newest: dict[tuple[bytes | None, str], int] = {}
    home: dict[bytes | None, int] = {}
    for event in events:
        check.events += 1
        name, place = (event.source, event.sequence), (event.key, event.source)
        is_twice = name in seen
        seen.add(name)
        moved = home.setdefault(event.key, event.partition) != event.partition
        is_late = moved or event.sequence < newest.get(place, -1)
        check.duplicates += is_twice
        check.out_of_order += is_late
        if is_twice or is_late:
            check.against.append({"finding": "twice" if is_twice else "out of order", **event._asdict()})
        newest[place] = event.sequence
        check.last[event.source] = max(event.sequence, check.last.get(event.source, 0))
    return check


def figures_of(world: World, record: RunRecord) -> dict[str, Any]:
    """Ask all witnesses; blocking."""
    found = verify(TABLE, world.source_urls, world.common_url).to_dict()
    topic = check_topic(read_topic(world.addresses["broker"], TOPIC))
    record.differences = [*found["differences"], *topic.against]
    sums, ledger, expected = world.common.sums(), world.common.ledger(), events_committed(world.source_files)
    written = world.common.count_events()
    return {
        "in_database": sums.orders,
        "missing": found["missing"],
        "extra": found["extra"],
        "different": found["different"] + found["conflict"],
        "duplicate": written - topic.events + found["duplicates"],
        "out_of_order_per_key": topic.out_of_order,
        "events_committed": expected,
        "events": topic.events,
        "events_twice": topic.duplicates,
        "events_missing": expected - (topic.events - topic.duplicates) + topic.gaps,
        "events_written": written,
        "ledgers_complete": all(ledger.get(name) == topic.events for name in SINKS),
        "lines": sums.lines,
        "total": str(sums.total),
        "checksums_equal": found["equal"],
    }


async def act_five(stage: Stage) -> None:
    """Wait until everything has arrived, then hold the witnesses against each other."""
    world, book, record = stage.world, stage.book, stage.record
    act = stage.begin(5, f"tidelock verify {TABLE}: two instances' databases against the common one")
    await caught_up(stage)
    figures = await asyncio.to_thread(figures_of, world, record)
    seconds = world.elapsed
    act.figures = {
        "orders": len(book.orders),
        "accepted": stage.load.tally.accepted,
        **figures,
        "sums_equal": (figures["lines"], figures["total"]) == (book.line_count, f"{book.total:.3f}"),
        "seconds": round(seconds, 1),
        "orders_per_second": round(len(book.orders) / seconds),
    }
    act.ok = (
        act.figures["in_database"] == act.figures["accepted"] == len(book.orders)
        and not any(act.figures[name] for name in MUST_BE_ZERO)
        and all(act.figures[name] for name in MUST_HOLD)
    )
    tell(stage)


def tell(stage: Stage) -> None:
    """Print the verdict; in JSON mode the object carries the addresses that `tidelock verify` takes."""
    act, record, world = stage.record.acts[-1], stage.record, stage.world
    figures = act.figures
    sources = " ".join(f"--source {url}" for url in world.source_urls)
    target = world.common_url.render_as_string(hide_password=True)
    line = stage.narrator.line
    line(act, f"tidelock verify {TABLE} {sources} --target {target}")
    line(
        act,
        f"posted {figures['orders']:,} · in the database {figures['in_database']:,}"
        f" · missing {figures['missing']} · duplicate {figures['duplicate']}"
        f" · out of order per key {figures['out_of_order_per_key']}",
    )
    line(
        act,
        f"{figures['lines']:,} lines, total {stage.book.total:,} · {figures['events']:,} events in the topic,"
        f" {figures['events_missing']} missing, {figures['events_twice']} twice"
        f" · checksums {'equal' if figures['checksums_equal'] else 'DIFFER'}",
    )
    world.look_at_memory()
    record.peak_memory = dict(sorted(world.memory.peaks.items()))
    peaks = " · ".join(f"{name} {size / 2**20:.0f}" for name, size in record.peak_memory.items())
    line(
        act,
        f"{figures['seconds']:.1f} s in all, {figures['orders_per_second']:,} orders/s · peak MB: {peaks}",
    )
    line(act, "PASS" if act.ok and record.ok else "FAIL")
    act.ended = world.elapsed
    figures["peak_memory_bytes"] = record.peak_memory
    stage.narrator.result(act, {"sources": world.source_urls, "target": target})
