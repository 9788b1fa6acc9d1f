"""Runs the suites of other projects against our broker: `python -m tests.conformance.clients.run [SUITE...]`.

Sources and a virtual environment per suite live in a cache folder outside the repository (`--cache`). A test
that fails must be in `allow/<suite>.txt`, with a reason; anything else is a regression, and so is an allowed
one that passes: take it off the list.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

from tests.conformance.clients.suites import SUITES, Suite
from tests.support.broker import ROOT, BrokerProcess

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tidelock" / "conformance"
LONGEST = 1800.0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run(*command: object, cwd: Path | None = None) -> None:
    subprocess.run([str(one) for one in command], cwd=cwd, check=True)


def checkout(suite: Suite, cache: Path) -> Path:
    """Clone, once."""
    source = cache / suite.name
    if not (source / ".git").exists():
        source.parent.mkdir(parents=True, exist_ok=True)
        run("git", "clone", "--quiet", suite.repository, source)
    run("git", "-c", "advice.detachedHead=false", "checkout", "--quiet", suite.commit, cwd=source)
    for folder in suite.folders:
        (source / folder).mkdir(parents=True, exist_ok=True)
    return source


def interpreter(suite: Suite, source: Path, cache: Path) -> Path:
    """Create the suite's virtual environment, once."""
    home = cache / f"{suite.name}.venv"
    if not (home / "done").exists():
        venv.create(home, with_pip=True, clear=True)
        needs = [one.format(source=source) for one in suite.requirements]
        run(home / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "pytest", *needs)
        (home / "done").touch()
    return home / "bin" / "python"


def node_modules(suite: Suite, source: Path, cache: Path) -> Path:
    """Install what a JavaScript suite needs, once, beside its checkout; returns jest."""
    home = cache / f"{suite.name}.npm"
    if not (home / "done").exists():
        home.mkdir(parents=True, exist_ok=True)
        (home / "package.json").write_text('{"private": true}')
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        run("npm", "install", *options, *suite.requirements, cwd=home)
        (home / "done").touch()
    link = source / "node_modules"
    if not link.exists():
        link.symlink_to(home / "node_modules", target_is_directory=True)
    return link / ".bin" / "jest"


def command(suite: Suite, source: Path, cache: Path, report: Path) -> list[str]:
    """What plays the suite and writes its outcomes to `report`, in JUnit's format."""
    if suite.runner == "jest":
        jest = node_modules(suite, source, cache)
        return [str(jest), "--ci", "--runInBand", "--forceExit", *suite.arguments]
    python = interpreter(suite, source, cache)
    last = ("-p", "no:cacheprovider", f"--junitxml={report}")
    return [str(python), "-m", "pytest", *suite.arguments, *last]


@contextmanager
def address(suite: Suite, folder: Path) -> Iterator[str]:
    """A broker as the suite wants it, unless it starts one itself."""
    if suite.broker is None:
        yield ""
    else:
        with BrokerProcess(folder / "data", suite.broker) as broker:
            yield broker.bootstrap


def outcomes(report: Path) -> dict[str, str]:
    """Test -> passed, failed or skipped."""
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        name = f"{case.get('classname')}::{case.get('name')}"
        failed = kinds & {"failure", "error"} or found.get(name) == "failed"  # names may come twice
        found[name] = "failed" if failed else "skipped" if "skipped" in kinds else "passed"
    return found


def allowed(suite: Suite) -> tuple[set[str], set[str]]:
    """The tests that fail, and those that do so at times (`? `); each has its reason behind a ` # `."""
    lines = (HERE / "allow" / f"{suite.name}.txt").read_text().splitlines()
    names = [line.partition(" # ")[0].strip() for line in lines if line and not line.startswith("#")]
    at_times = {name.removeprefix("? ") for name in names if name.startswith("? ")}
    return {name for name in names if not name.startswith("? ")}, at_times


def judge(suite: Suite, found: dict[str, str]) -> bool:
    """Print what counts; False if something is not as the allow list says."""
    failed = {name for name, outcome in found.items() if outcome == "failed"}
    counts = {kind: sum(one == kind for one in found.values()) for kind in ("passed", "failed", "skipped")}
    say(f"{suite.name} {suite.commit}: {counts}")
    must, may = allowed(suite)
    wrong = [f"  fails, and is not allowed to: {name}" for name in sorted(failed - must - may)]
    wrong += [
        f"  passes: take it off the allow list: {name}"
        for name in sorted(must)
        if found.get(name) == "passed"
    ]
    say("\n".join(wrong) if wrong else "  as expected")
    return bool(found) and not wrong


def play(suite: Suite, cache: Path) -> bool:
    source = checkout(suite, cache)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        report = folder / "report.xml"
        playing = command(suite, source, cache, report)
        with address(suite, folder) as bootstrap:
            given = {key: value.format(bootstrap=bootstrap) for key, value in suite.environment.items()}
            broker = {"argv": [sys.executable, "-m", "tests.support.run_broker"], "cwd": str(ROOT)}
            more = {
                "PYTHONPATH": str(HERE / "fake"),
                "PATH": f"{HERE / 'fake' / 'bin'}:{os.environ['PATH']}",
                "TIDELOCK_BROKER": json.dumps(broker),
                "JEST_JUNIT_OUTPUT_DIR": str(folder),
                "JEST_JUNIT_OUTPUT_NAME": report.name,
                "JEST_JUNIT_CLASSNAME": "{filepath}",
                **given,
            }
            with (cache / f"{suite.name}.log").open("w") as log:
                subprocess.run(
                    playing,
                    cwd=source,
                    env={**os.environ, **more},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    timeout=LONGEST,
                    check=False,
                )
        found = outcomes(report) if report.exists() else {}
    say(f"  (its output: {cache / f'{suite.name}.log'})")
    return judge(suite, found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", default=[suite.name for suite in SUITES])
    parser.add_argument("--cache", type=Path, default=CACHE, help="where sources and environments are kept")
    options = parser.parse_args()
    known = {suite.name: suite for suite in SUITES}
    if unknown := [name for name in options.suites if name not in known]:
        parser.error(f"no suite {unknown[0]}; there are {', '.join(known)}")
    verdicts = [play(known[name], options.cache) for name in options.suites]
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
