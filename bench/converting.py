"""JSON decoding and a chain of three transforms without anything around them, ours and Kafka's own classes.

    python -m bench.converting                 prints our figures as JSON

Both get the same payloads in a process of their own and run them again and again on one thread; medians.
"""

from __future__ import annotations

import json
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.engines.fetch import Engines

from bench.records import FIELDS, orders
from tidelock.connect.api import RecordBatch
from tidelock.connect.converters.json import JsonConverter
from tidelock.connect.runtime.chain import Chain, Step
from tidelock.connect.transforms.cast import CastValue
from tidelock.connect.transforms.insert_field import InsertFieldValue
from tidelock.connect.transforms.replace_field import ReplaceFieldValue

ROOT = Path(__file__).resolve().parents[1]
COUNT, POLL, ROUNDS, WARM = 50_000, 5000, 7, 2
CHAIN = (
    (ReplaceFieldValue, {"renames": "customer:buyer", "exclude": "paid"}),
    (InsertFieldValue, {"static.field": "source", "static.value": "shop"}),
    (CastValue, {"spec": "quantity:int64,id:string"}),
)
LEFT = [{"customer": "buyer"}.get(name, name) for name, _ in FIELDS if name != "paid"]

Found = dict[str, tuple[float, float]]  # row -> records a second, microseconds of CPU per record


def payloads() -> list[bytes]:
    return [value for _, value in orders(COUNT, 1)]


def ours() -> Found:
    """Run in a process of its own: see `measured`."""
    polls = [payloads()[start : start + POLL] for start in range(0, COUNT, POLL)]
    converter = JsonConverter()
    steps = []
    for made, props in CHAIN:
        transform = made()
        transform.configure(props)
        steps.append(Step(made.__name__, transform))
    chain = Chain(steps)

    def decode() -> int:
        return sum(len(run.values) for poll in polls for run in converter.decode("t", poll))

    batches = []
    for poll in polls:
        [run] = converter.decode("t", poll)
        batches.append(
            RecordBatch("t", 0, range(len(poll)), [None] * len(poll), run.values, value_schema=run.schema)
        )

    def transform_all() -> int:
        count = 0
        for batch in batches:
            whole = chain.apply_batch(batch)
            assert whole is not None
            whole.columns([*LEFT, "source"])  # what a writer takes
            count += len(whole)
        return count

    return {"decode": measured(decode), "chain": measured(transform_all)}


def measured(work: Callable[[], int]) -> tuple[float, float]:
    """Return the medians of records a second and of CPU microseconds per record."""
    rates, costs = [], []
    for number in range(WARM + ROUNDS):
        cpu, start = time.process_time(), time.perf_counter()
        assert work() == COUNT
        if number >= WARM:
            rates.append(COUNT / (time.perf_counter() - start))
            costs.append((time.process_time() - cpu) / COUNT * 1e6)
    return statistics.median(rates), statistics.median(costs)


def in_our_process() -> Found:
    return _asked([sys.executable, "-m", "bench.converting"])


def in_a_jvm(engines: Engines) -> Found:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "payloads"
        path.write_bytes(b"".join(struct.pack(">i", len(one)) + one for one in payloads()))
        source = str(ROOT / "bench" / "java" / "Converting.java")
        options = ["-Xmx1g", "-XX:+UseG1GC", "-cp", engines.class_path]
        return _asked([engines.java, *options, source, str(path), str(ROUNDS)])


def _asked(command: list[str]) -> Found:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    print(json.dumps(ours()))
