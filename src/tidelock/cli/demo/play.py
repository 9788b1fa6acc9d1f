"""Between the command line and the story: check everything, claim the folder, run, say the result.

The order matters: arguments, folder, common database and orders are checked before anything is written, and
everything is written before anything is started.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL

from tidelock.cli.demo import database, story
from tidelock.cli.demo.folder import DemoFolder
from tidelock.cli.demo.narrate import Narrator
from tidelock.cli.demo.orders import OrderBook, generate_orders, read_orders
from tidelock.runtime import SystemClock

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for; see `command`."""

    orders_file: Path | None
    db: str | None
    data: Path
    count: int
    seed: int
    step: bool
    output: str


def play(options: Options) -> int:
    """Check, claim, run; returns the exit code."""
    clock = SystemClock()
    narrator = Narrator(as_json=options.output == "json", step=options.step, monotonic=clock.monotonic)
    folder = DemoFolder(options.data)
    if options.db:
        common = database.parse_url(options.db)
        database.check_reachable(common)
    else:
        common = URL.create("sqlite", database=str(folder.path / "common.db"))
    if options.orders_file:
        book = read(options.orders_file, narrator)
    else:
        book = generate_orders(options.count, options.seed)
    folder.claim()
    keep_log(folder.path / "logs" / "demo.log")
    try:
        return tell(story.Plan(book, folder, common, clock), narrator)
    finally:
        folder.release()


class QuietFile(logging.FileHandler):
    """A log file that may fail: what a full disk does to the story is told once, by the story."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: D102  # logging's own
        self.setLevel(logging.CRITICAL + 1)


def keep_log(path: Path) -> None:
    """Let what the story's own clients remark on, such as instances that refuse, go to a file."""
    handler = QuietFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("tidelock")
    logger.addHandler(handler)
    logger.propagate = False


def read(path: Path, narrator: Narrator) -> OrderBook:
    """Read the orders file and say that it is read."""
    narrator.say(f"reading {path}")
    return read_orders(path, progress=lambda lines: narrator.note(f"{lines:,} lines read"))


def tell(plan: story.Plan, narrator: Narrator) -> int:
    """Run the story and say where everything is."""
    for name in plan.folder.edited:
        narrator.say(f"{name} was edited since the last run: your version is used")
    try:
        passed = story.run(plan, narrator)
    except story.InterruptedStoryError:
        narrator.say()
        narrator.say(f"Interrupted; every process is stopped. Logs and data: {plan.folder.path}")
        return INTERRUPTED
    narrator.say()
    narrator.say(f"Everything is kept in {plan.folder.path}: source, logs, databases, report.html")
    return 0 if passed else 1
