"""What the command line asks for: ports, and options that exclude each other."""

from pathlib import Path
from typing import Any

import pytest

from tidelock.cli.up.parts import PARTS
from tidelock.cli.up.session import Wish
from tidelock.errors import UsageError

OPTIONS: dict[str, Any] = {
    "data": Path("x"),
    "memory": False,
    "any_port": False,
    "port_base": None,
    "assignments": (),
    "config": None,
    "ready_file": None,
}


def ports(**options: Any) -> list[int]:
    wish = Wish.of((), {**OPTIONS, **options})
    return [wish.port(part) for part in wish.parts]


def test_ports() -> None:
    assert ports() == [8761, 9092, 8083]
    assert ports(any_port=True) == [0, 0, 0]
    assert ports(port_base=19000) == [19000, 19001, 19002]


def test_a_part_has_the_same_port_whichever_parts_run() -> None:
    wish = Wish.of(("connect",), {**OPTIONS, "port_base": 19000})
    assert wish.port(PARTS["connect"]) == 19002


def test_options_that_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        ports(any_port=True, port_base=19000)


def test_a_ready_file_needs_a_folder() -> None:
    with pytest.raises(UsageError, match="no such folder"):
        ports(ready_file=Path("/nowhere/at/all/ready.json"))
