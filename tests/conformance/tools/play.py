"""Plays the script with Kafka's own tools, all in one JVM, against a broker."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conformance.tools.script import FILES, SCRIPT, Step, normal
from tests.engines.fetch import Engines
from tests.engines.kafka import java_command

LONGEST = 60
"""Seconds that one tool may take."""

RUNNER = Path(__file__).parent / "java" / "ToolRunner.java"


def play(engines: Engines, bootstrap: str, data: Path, folder: Path) -> Iterator[dict[str, Any]]:
    """Run every step and yield its answer: name, code, stdout and stderr without what always differs.

    Args:
        data: the broker's log folder.
        folder: an empty one, for the tools' files.
    """
    names = {"{server}": bootstrap, "{log}": str(data / "words-0" / f"{0:020d}.log")}
    for name, text in FILES.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        names[f"{{file:{name}}}"] = str(path)
    with (folder / "jvm.log").open("w") as log:
        opened = ("--add-opens", "java.base/java.lang=ALL-UNNAMED")
        command = [*java_command(engines, "tool", options=opened), str(RUNNER), str(LONGEST)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder
        ) as jvm:
            assert jvm.stdin is not None
            assert jvm.stdout is not None
            for step in SCRIPT:
                jvm.stdin.write(json.dumps(asked(step, bootstrap, names)) + "\n")
                jvm.stdin.flush()
                line = jvm.stdout.readline()
                if not line:
                    raise RuntimeError(f"the tools' JVM ended:\n{(folder / 'jvm.log').read_text()}")
                yield answer(step, json.loads(line))


def asked(step: Step, bootstrap: str, names: dict[str, str]) -> dict[str, Any]:
    """The runner's request for a step."""
    server = ["--bootstrap-server", bootstrap] if step.server else []
    arguments = [names.get(one, one.replace("{server}", bootstrap)) for one in step.line.split()]
    return {"main": step.main, "arguments": server + arguments, "stdin": step.stdin}


def answer(step: Step, given: dict[str, Any]) -> dict[str, Any]:
    """An answer as it is recorded."""
    return {
        "step": step.name,
        "code": given["code"],
        "stdout": normal(step, given["stdout"]),
        "stderr": normal(step, given["stderr"]),
    }
