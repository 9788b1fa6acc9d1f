"""The import contracts hold, and each one breaks when the fault it forbids is seeded."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

HOUSE = "the house: parts in layers"
SANS_IO = "sans-IO code does no IO and reads no clock"
FAULTS = [
    (HOUSE, {"discovery/lease.py": "import tidelock.broker.settings"}),
    (HOUSE, {"protocol/__init__.py": "import tidelock.cli"}),
    (
        "every package is acyclic",
        {
            "discovery/yin.py": "import tidelock.discovery.yang",
            "discovery/yang.py": "import tidelock.discovery.yin",
        },
    ),
    (
        "broker: shell over node over rules over log",
        {"broker/log/__init__.py": "import tidelock.broker.node"},
    ),
    (
        "connect: plugins see only the api",
        {"connect/converters/__init__.py": "import tidelock.connect.runtime"},
    ),
    (SANS_IO, {"broker/purgatory.py": "import time"}),
    (SANS_IO, {"discovery/registry.py": "import asyncio"}),
]


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    return subprocess.run(
        command,
        cwd=root,
        env={"PYTHONPATH": str(root / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_contracts_hold() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout


def seed(root: Path, module: str, line: str) -> None:
    target = root / "src" / "tidelock" / module
    text = target.read_text() if target.exists() else '"""A module for this test."""\n'
    target.write_text(f"{text}\n{line}\n")


@pytest.mark.parametrize(("contract", "faults"), FAULTS)
def test_a_seeded_fault_breaks_its_contract(copy: Path, contract: str, faults: dict[str, str]) -> None:
    for module, line in faults.items():
        seed(copy, module, line)
    result = lint(copy)
    assert result.returncode != 0
    assert f"{contract} BROKEN" in result.stdout


def test_a_part_that_nobody_placed_is_refused(copy: Path) -> None:
    seed(copy, "stowaway.py", "")
    result = lint(copy)
    assert result.returncode != 0
    assert "stowaway" in result.stdout + result.stderr
