"""What tasks that misbehave cost their neighbours: one leaks, one blocks for ever, one raises at random.

    python -m bench.isolation [--pairs 14] [--seconds 90] [--turn 0.7] [--settle 2] [--lines 12000000]

One file is read into a topic, then that topic is written into a file. The stream is the same from end to end
and rests between its short turns: alone, beside the three (resumed `settle` seconds ago, so their restarts
are still frequent), alone again, and so on. Each turn beside them is compared with the mean of the two around
it, and each turn alone with the one before, which shows what the machine itself does to a turn. The table has
the medians and, by ranks, their intervals of 95 %: of the rate, and of the neighbour's own CPU time for each
record, which others on the machine disturb less. Then REST is asked for every connector's status.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.support.broker import BrokerProcess
from tests.support.connect import ask
from tests.support.waiting import eventually

from bench.connect import Bench
from bench.records import line
from bench.timing import table
from bench.workers import Peer, our_worker
from tidelock.client import Admin

HOME = "tests.support.connectors"
QUESTIONS = 200
READ = 200_000  # lines that the three read
BLOCK = 100_000  # lines that the file repeats
DOUBT = 0.025  # on each side of an interval
BAD = {
    "leaks": {"connector.class": f"{HOME}:LeakingSink", "task.memory.max.bytes": str(150 << 20)},
    "hangs": {"connector.class": f"{HOME}:StuckSink", "errors.stall.report.ms": "2000"},
    "raises": {"connector.class": f"{HOME}:MoodySink", "errors.restart.policy": "always", "seed": "bench"},
}


@dataclass(frozen=True)
class Turn:
    """Records a second, and seconds of CPU for each."""

    rate: float
    cost: float


@dataclass(frozen=True)
class Stream:
    """A neighbour: its connector, how many records it has moved, and how many there are."""

    peer: Peer
    name: str
    moved: Callable[[], int]
    total: int

    def wish(self, what: str, state: str) -> None:
        ask(self.peer.url, "PUT", f"/connectors/{self.name}/{what}")
        eventually(lambda: self.peer.states(self.name) == [state] * 2, 20, interval=0.02)

    def turn(self, seconds: float) -> Turn | None:
        """Let it run; None when it has come to its end."""
        before = self.moved()
        if before >= self.total:
            return None
        self.wish("resume", "RUNNING")
        eventually(lambda: self.moved() > before, 20, interval=0.01)
        pid = ask(self.peer.url, "GET", f"/connectors/{self.name}/progress")[1]["tasks"][0]["pid"]
        first, spent, start = self.moved(), self.peer.cpu_seconds()[pid], time.perf_counter()
        time.sleep(seconds)
        last, now, end = self.moved(), self.peer.cpu_seconds()[pid], time.perf_counter()
        self.wish("pause", "PAUSED")
        return (
            None
            if last >= self.total
            else Turn((last - first) / (end - start), (now - spent) / (last - first))
        )


def wish_all(peer: Peer, what: str) -> None:
    for name in BAD:
        status, answer = ask(peer.url, "PUT", f"/connectors/{name}/{what}")
        assert status in (202, 204), answer


def are_stopped(peer: Peer) -> bool:
    return all(peer.states(name) == ["STOPPED"] for name in BAD)


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


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The interval of 95 % around a median, by ranks: nothing is assumed of how the values spread."""
    found, count = sorted(values), len(values)
    below, rank = 0.0, 0
    while (below := below + math.comb(count, rank) / 2**count) <= DOUBT:
        rank += 1
    rank = max(rank, 1)  # too few values for so much certainty: all that was seen
    return found[rank - 1], found[-rank]


def shown(values: Sequence[float]) -> str:
    low, high = interval(values)
    return f"{statistics.median(values):.2f}x ({low:.2f}-{high:.2f})"


def compared(alone: Sequence[Turn], beside: Sequence[Turn], figure: str) -> tuple[list[float], list[float]]:
    """Each turn beside the three to the mean of those around it; each turn alone to the one before."""
    base = [getattr(one, figure) for one in alone]
    means = [statistics.fmean(pair) for pair in itertools.pairwise(base)]
    ratios = [getattr(one, figure) / mean for one, mean in zip(beside, means, strict=True)]
    return ratios, [later / earlier for earlier, later in itertools.pairwise(base)]


def measured(stream: Stream, options: argparse.Namespace) -> tuple[list[Turn], list[Turn], int]:
    """Alternate, until there are enough pairs, the time is up, or the stream has come to its end."""
    peer, alone, beside, restarts = stream.peer, [], [], 0
    deadline = time.monotonic() + options.seconds
    while time.monotonic() < deadline:
        eventually(lambda: are_stopped(peer), 20, interval=0.05)
        quiet = stream.turn(options.turn)
        if quiet is None:
            break
        alone.append(quiet)
        if len(alone) > options.pairs:
            break
        wish_all(peer, "resume")
        time.sleep(options.settle)
        disturbed = stream.turn(options.turn)
        restarts += restarts_of(peer)
        wish_all(peer, "stop")
        if disturbed is None:
            break
        beside.append(disturbed)
        print(f"{stream.name}: {quiet.rate / 1e3:.0f}, {disturbed.rate / 1e3:.0f} k/s", file=sys.stderr)
    wish_all(peer, "stop")
    return alone, beside[: len(alone) - 1], restarts


def start(stream: Stream, config: dict[str, str]) -> Stream:
    stream.peer.put(stream.name, config)
    stream.wish("pause", "PAUSED")
    return stream


def file_source(bench: Bench, peer: Peer, lines: int) -> Stream:
    path = bench.folder / "lines.txt"
    block = "".join(f"{line(number)}\n" for number in range(BLOCK)).encode()
    with path.open("wb") as file:
        for _ in range(lines // BLOCK):
            file.write(block)
    topic = bench.topic("neighbour")
    config = {"connector.class": "FileStreamSource", "file": str(path), "topic": topic, "batch.size": "2000"}
    return start(Stream(peer, "source", lambda: bench.end(topic), lines), config)


def file_sink(bench: Bench, peer: Peer) -> Stream:
    path = bench.folder / "written.txt"
    path.touch()
    size = len(line(0).encode()) + 1
    config = {"connector.class": "FileStreamSink", "file": str(path), "topics": "neighbour"}
    config["consumer.override.auto.offset.reset"] = "earliest"
    return start(Stream(peer, "sink", lambda: path.stat().st_size // size, bench.end("neighbour")), config)


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.isolation")
    parser.add_argument("--pairs", type=int, default=14)
    parser.add_argument("--seconds", type=float, default=90.0, help="for each row at most")
    parser.add_argument("--turn", type=float, default=0.7, help="seconds")
    parser.add_argument("--settle", type=float, default=2.0, help="seconds between their start and the turn")
    parser.add_argument("--lines", type=int, default=12_000_000, help="of the file; 100 bytes each")
    return parser.parse_args(arguments or [])


def main(arguments: list[str] | None = None) -> None:
    options = parsed(arguments)
    rows: list[list[str]] = []
    restarts = 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = stack.enter_context(BrokerProcess(folder / "broker", {"tidelock.flush.policy": "os"}, ()))
        quick = {"task.shutdown.graceful.timeout.ms": "500"}
        peer = stack.enter_context(our_worker(folder / "ours", broker.bootstrap, quick))
        bench = Bench(broker.bootstrap, Admin(broker.bootstrap), folder, READ, None)
        bench.fill("lines", lambda: ((None, line(number).encode()) for number in range(READ)))
        for name, config in BAD.items():
            both = {"folder": str(folder), "topics": "lines", "errors.restart.delay.ms": "200"}
            status, answer = ask(peer.url, "PUT", f"/connectors/{name}/config", {**both, **config})
            assert status == 201, answer
        wish_all(peer, "stop")
        for make in (lambda: file_source(bench, peer, options.lines), lambda: file_sink(bench, peer)):
            stream = make()
            alone, beside, seen = measured(stream, options)
            peer.delete(stream.name)
            restarts += seen
            for figure, unit in (("rate", 1e-3), ("cost", 1e6)):
                title = f"file {stream.name}: {'k records/s' if figure == 'rate' else 'CPU us/record'}"
                median = statistics.median(getattr(one, figure) for one in alone) * unit
                ratios, noise = compared(alone, beside, figure)
                rows.append([title, f"{median:.3g}", str(len(ratios)), shown(ratios), shown(noise)])
        wish_all(peer, "resume")
        waits = rest_waits(peer)
    table(["row", "alone", "pairs", "beside the three", "alone once more"], rows)
    slowest = statistics.quantiles(waits, n=100)[98]
    print(f"REST: p50 {statistics.median(waits):.1f} ms, p99 {slowest:.1f} ms; restarts: {restarts}")


if __name__ == "__main__":
    main(sys.argv[1:])
