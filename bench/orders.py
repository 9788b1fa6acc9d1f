"""Orders per second of the whole way: HTTP, outbox, broker, Connect, common database, kills included.

Runs `tidelock demo` and reads its figures, so there is no second implementation of the way. No peer does the
same in one process tree. The named comparison is the part that bounds it: the same orders stored by one
writer in one SQLite file, one transaction each, without any of the rest.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tidelock.cli.demo.orders import generate_orders

COUNT, SEED = 6000, 1


def whole_way(folder: Path) -> dict[int, dict[str, Any]]:
    """Run the demo and return the figures of each act."""
    command = [sys.executable, "-m", "tidelock.cli", "demo", "-o", "json", "--count", str(COUNT)]
    done = subprocess.run(
        [*command, "--data", str(folder / "demo")], capture_output=True, text=True, check=True
    )
    return {act["act"]: act["figures"] for act in map(json.loads, done.stdout.splitlines())}


def one_writer(folder: Path) -> float:
    """Return the orders per second that one durable SQLite writer stores, the bodies as they are."""
    book = generate_orders(COUNT, SEED)
    database = sqlite3.connect(folder / "alone.db")
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = full")
    database.execute("create table orders (invoice_no text primary key, body blob)")
    began = time.perf_counter()
    for order in book.orders:
        with database:
            database.execute("insert into orders values (?, ?)", (order.invoice_no, order.body))
    seconds = time.perf_counter() - began
    database.close()
    return COUNT / seconds


def main() -> None:
    """Print the rates and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alone = one_writer(folder)
        acts = whole_way(folder)
    print(f"{'':44}{'orders/s':>10}{'ratio':>8}")
    print(f"{'one SQLite writer, nothing else':44}{alone:>10,.0f}{1:>8.2f}")
    for act, name in ((3, "whole way, instance killed meanwhile"), (4, "whole way, broker and sink killed")):
        figures = acts[act]
        rate = figures["orders"] / (figures["seconds"] + figures.get("caught_up_after", 0))
        print(f"{name:44}{rate:>10,.0f}{rate / alone:>8.2f}")
    proof = acts[5]
    counts = {name: proof[name] for name in ("missing", "duplicate", "out_of_order_per_key")}
    print(", ".join(f"{name} {count}" for name, count in counts.items()))
