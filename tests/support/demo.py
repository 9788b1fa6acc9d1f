"""A `tidelock demo` as a subprocess, and what it leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "tidelock.cli", "demo"]


def run_demo(data: Path, *arguments: str, timeout: float = 110) -> tuple[int, list[dict[str, Any]], str]:
    """Run a whole demo; returns its exit code, its objects and what it said on standard error."""
    command = [*COMMAND, "--data", str(data), "-o", "json", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def left_running(data: Path) -> list[str]:
    """Return the command lines of processes that still have something to do with a data folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            folder = str((entry / "cwd").readlink())
        except OSError:
            continue  # it ended meanwhile
        if str(data) in line or folder.startswith(str(data)):
            found.append(line)
    return found
