"""Act 5: the proof. Three independent witnesses must agree.

1. `tidelock verify`: the instances' databases, together, against the common one, row by row.
2. The topic itself: no event twice, and the events of each key in the order in which they were committed.
3. The orders that were read at the start: number, lines and total, exactly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from tidelock.cli.demo.database import TABLE
from tidelock.cli.demo.stage import Stage, caught_up
from tidelock.cli.demo.topic import TopicEvent, read_topic
from tidelock.sync import verify

TOPIC = "orders"


@dataclass(slots=True)
class TopicCheck:
    """What the topic's records say about themselves."""

    events: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    keys: int = 0
    seen: set[tuple[str, int]] = field(default_factory=set, repr=False)


def check_topic(events: Iterable[TopicEvent]) -> TopicCheck:
    """Check the records of a topic, each partition's in offset order.

    An event is named by its source (the outbox it came from) and its sequence there. Per key and source the
    sequences must ascend, all in one partition.
    """
    check = TopicCheck()
    last: dict[tuple[bytes | None, str], int] = {}
    home: dict[bytes | None, int] = {}
    for event in events:
        check.events += 1
        name = (event.source, event.sequence)
        check.duplicates += name in check.seen
        check.seen.add(name)
        place = (event.key, event.source)
        moved = home.setdefault(event.key, event.partition) != event.partition
        check.out_of_order += moved or event.sequence < last.get(place, -1)
        last[place] = event.sequence
    check.keys = len(home)
    return check


async def act_five(stage: Stage) -> None:
    """Wait until everything has arrived, then hold the three witnesses against each other."""
    world, book, record = stage.world, stage.book, stage.record
    sources = ", ".join(f"--source {url}" for url in world.source_urls)
    target = world.common_url.render_as_string(hide_password=True)
    act = stage.begin(5, f"tidelock verify {TABLE}: two instances' databases against the common one")
    await caught_up(stage)
    report = await asyncio.to_thread(verify, TABLE, world.source_urls, world.common_url)
    topic = await asyncio.to_thread(lambda: check_topic(read_topic(world.addresses["broker"], TOPIC)))
    sums = await asyncio.to_thread(world.common.sums)
    distinct = await asyncio.to_thread(world.common.distinct)
    seconds = world.elapsed
    found = report.to_dict()
    record.differences = found["differences"]
    act.figures = {
        "orders": len(book.orders),
        "accepted": stage.load.tally.accepted,
        "in_database": sums.orders,
        "missing": found["missing"],
        "extra": found["extra"],
        "different": found["different"] + found["conflict"],
        "duplicate": sums.orders - distinct + found["duplicates"],
        "out_of_order_per_key": topic.out_of_order,
        "events": topic.events,
        "events_twice": topic.duplicates,
        "lines": sums.lines,
        "total": str(sums.total),
        "sums_equal": (sums.lines, sums.total) == (book.line_count, book.total),
        "checksums_equal": report.equal,
        "seconds": round(seconds, 1),
        "orders_per_second": round(len(book.orders) / seconds),
    }
    agree = report.equal and act.figures["sums_equal"] and sums.orders == len(book.orders)
    act.ok = agree and not (topic.duplicates or topic.out_of_order or act.figures["duplicate"])
    tell(stage, sources, target)


def tell(stage: Stage, sources: str, target: str) -> None:
    """Print the verdict; in JSON mode the object carries the addresses that `tidelock verify` takes."""
    act, record, world = stage.record.acts[-1], stage.record, stage.world
    figures = act.figures
    line = stage.narrator.line
    line(act, f"tidelock verify {TABLE} {sources.replace(', ', ' ')} --target {target}")
    line(
        act,
        f"posted {figures['orders']:,} · in the database {figures['in_database']:,}"
        f" · missing {figures['missing']} · duplicate {figures['duplicate']}"
        f" · out of order per key {figures['out_of_order_per_key']}",
    )
    line(
        act,
        f"{figures['lines']:,} lines, total {stage.book.total:,} · {figures['events']:,} events in the topic,"
        f" {figures['events_twice']} twice · checksums {'equal' if figures['checksums_equal'] else 'DIFFER'}",
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
