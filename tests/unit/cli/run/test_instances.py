"""What `tidelock run` decides without a process: the registry, changed files, one assignment on the line."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tidelock.cli.run.assignment import Assignment
from tidelock.cli.run.changes import changed, look
from tidelock.cli.run.instances import chosen_registry

ZONE = {"EUREKA_CLIENT_SERVICEURL_DEFAULTZONE": "http://elsewhere/eureka/"}


@pytest.mark.parametrize(
    ("told", "variables", "url"),
    [
        ("http://127.0.0.1:1", ZONE, "http://127.0.0.1:1/eureka/"),
        ("http://127.0.0.1:1/eureka", {}, "http://127.0.0.1:1/eureka/"),
        ("http://127.0.0.1:1/v2/", {}, "http://127.0.0.1:1/v2/"),
        (None, ZONE, "http://elsewhere/eureka/"),
    ],
)
def test_the_registry_is_the_option_s_else_the_variable_s(
    told: str | None, variables: dict[str, str], url: str
) -> None:
    assert chosen_registry(told, variables) == url


def test_changed_files_are_those_that_differ_came_or_went() -> None:
    before = {"a.py": (1, 1), "b.py": (1, 1), "c.py": (1, 1)}
    assert changed(before, {"a.py": (1, 1), "b.py": (2, 1), "d.py": (1, 1)}) == ("b.py", "c.py", "d.py")
    assert changed(before, dict(before)) == ()


def test_environments_and_hidden_folders_are_not_looked_at(tmp_path: Path) -> None:
    for name in ("app.py", "part/of.py", ".venv/lib.py", "__pycache__/app.py", "part/readme.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert sorted(Path(path).name for path in look(tmp_path)) == ["app.py", "of.py"]


def test_an_assignment_arrives_as_it_was_sent() -> None:
    ours, theirs = socket.socketpair()
    given = Assignment("shop:app", "orders", "127.0.0.1", 8001, None, True, 0.5, 3.0)
    with ours, theirs:
        ours.sendall(given.line())
        assert Assignment.read(theirs) == given
        ours.close()
        with pytest.raises(EOFError):
            Assignment.read(theirs)
