"""What tasks that misbehave cost their neighbours: one leaks, one blocks for ever, one raises at random.

    python -m bench.isolation [--rounds 5] [--records 400000] [--settle 3]

A file is moved into a topic and a topic into a file, again and again: with the three stopped, with them
running (they were resumed `settle` seconds ago, so their restarts are still frequent), stopped again. The
table has medians; its last column compares the two turns alone and says how much of the others is noise. A
rate is that of the stream (see bench.connect). Then REST is asked for every connector's status.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.support.broker import BrokerProcess
from tests.support.connect import ask

from bench.connect import RATE, Bench, file_sink, file_source
from bench.timing import table
from bench.workers import Peer, our_worker
from tidelock.client import Admin

HOME = "tests.support.connectors"
QUESTIONS = 200
BAD = {
    "leaks": {"connector.class": f"{HOME}:LeakingSink", "task.memory.max.bytes": str(150 << 20)},
    "hangs": {"connector.class": f"{HOME}:StuckSink", "errors.stall.report.ms": "2000"},
    "raises": {"connector.class": f"{HOME}:MoodySink", "errors.restart.policy": "always", "seed": "bench"},
}
ROWS = {"file source": file_source, "file sink": file_sink}


def wish(peer: Peer, what: str) -> None:
    for name in BAD:
        status, answer = ask(peer.url, "PUT", f"/connectors/{name}/{what}")
        assert status in (202, 204), answer


def restarts_of(peer: Peer) -> int:
    """How often the three were started again since they last ran on."""
    tasks = [ask(peer.url, "GET", f"/connectors/{name}/progress")[1]["tasks"] for name in BAD]
    return sum(one["restarts"] for found in tasks for one in found)


def rest_waits(peer: Peer) -> list[float]:
    waits = []
    for _ in range(QUESTIONS):
        asked = time.perf_counter()
        status, _answer = ask(peer.url, "GET", "/connectors?expand=status")
        assert status == 200
        waits.append((time.perf_counter() - asked) * 1e3)
    return waits


def shown(found: list[tuple[float, float, float]]) -> list[str]:
    """The speed alone, and the medians of what it becomes beside the three, and alone again: the noise."""
    beside = [one[1] / statistics.fmean((one[0], one[2])) for one in found]
    noise = [one[2] / one[0] for one in found]
    alone = statistics.median(one[0] for one in found)
    return [f"{alone:.0f}", f"{statistics.median(beside):.2f}x", f"{statistics.median(noise):.2f}x"]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="bench.isolation")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=400_000)
    parser.add_argument("--settle", type=float, default=3.0, help="seconds between their start and the turn")
    options = parser.parse_args(arguments or [])
    turns: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ROWS}
    waits: list[float] = []
    restarts = 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = stack.enter_context(BrokerProcess(folder / "broker", {"tidelock.flush.policy": "os"}, ()))
        peer = stack.enter_context(our_worker(folder / "ours", broker.bootstrap))
        bench = Bench(broker.bootstrap, Admin(broker.bootstrap), folder, options.records, None)
        for row in ROWS.values():
            row(bench, peer)  # a round that does not count
        for name, config in BAD.items():
            both = {"folder": str(folder), "topics": "lines", "errors.restart.delay.ms": "200"}
            status, answer = ask(peer.url, "PUT", f"/connectors/{name}/config", {**both, **config})
            assert status == 201, answer
        for number in range(options.rounds):
            for name, row in ROWS.items():
                print(f"{name}, round {number}", file=sys.stderr)
                speeds = []
                for what in ("stop", "resume", "stop"):
                    wish(peer, what)
                    time.sleep(options.settle)
                    speeds.append(row(bench, peer)[RATE])
                    restarts += restarts_of(peer) if what == "resume" else 0
                before, beside, after = speeds
                turns[name].append((before, beside, after))
                print(f"{before:.0f}, {beside:.0f}, {after:.0f} {RATE}", file=sys.stderr)
            wish(peer, "resume")
            waits += rest_waits(peer)
    head = ["row", f"alone, {RATE}", "beside the three", "alone once more"]
    table(head, [[name, *shown(found)] for name, found in turns.items()])
    slowest = statistics.quantiles(waits, n=100)[98]
    print(f"REST: p50 {statistics.median(waits):.1f} ms, p99 {slowest:.1f} ms; restarts: {restarts}")


if __name__ == "__main__":
    main(sys.argv[1:])
