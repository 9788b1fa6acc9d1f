"""`tidelock up` and its siblings with real processes: ports, restarts, kills, what is left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.up import FAKE, ROOT, Up, gone
from tests.support.waiting import eventually
from tidelock.cli.up import processes


def echoes(address: str) -> bool:
    host, port = address.removeprefix("http://").split(":")
    try:
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(b"hello\n")
            return connection.recv(100) == b"hello\n"
    except OSError:
        return False


def run(*arguments: str, **how: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*FAKE, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30, **how)


def test_the_ready_file_comes_when_everything_accepts(start_up: Callable[..., Up]) -> None:
    up = start_up()
    ready = up.ready()
    assert all(echoes(ready[part]) for part in ("registry", "broker", "connect"))
    assert set(ready["pids"]) == {"up", "registry", "broker", "connect"}
    code, out, err = up.end(signal.SIGINT)
    assert code == 0
    assert "Ready in 0." in out or "Ready in 1." in out
    assert f"localhost:{ready['broker'].split(':')[1]}" in out
    assert "(fake connect)" in out
    assert "broker: warning: broker warns" in err
    assert gone(ready["pids"])
    assert not up.ready_file.exists()
    assert "stopped in order" in (up.data / "logs" / "broker.log").read_text()


def test_only_the_wanted_parts_run(start_up: Callable[..., Up]) -> None:
    ready = start_up("broker").ready()
    assert set(ready["pids"]) == {"up", "broker"}
    assert "registry" not in ready


def test_a_killed_part_comes_back_on_the_same_port(start_up: Callable[..., Up]) -> None:
    up = start_up("broker", "registry")
    before = up.ready()
    os.kill(before["pids"]["broker"], signal.SIGKILL)
    assert echoes(before["broker"]), "a client that comes in between waits instead of failing"
    after = up.again("broker", before["pids"]["broker"])
    assert after["broker"] == before["broker"]
    assert after["pids"]["registry"] == before["pids"]["registry"]
    code, _, err = up.end()
    assert code == 0
    assert "broker: was killed by SIGKILL, restart in" in err
    assert f"broker: runs again at {before['broker']}" in err


def test_what_a_dead_part_left_behind_ends_with_it(start_up: Callable[..., Up]) -> None:
    up = start_up("broker", "--set", "broker.brood=true")
    broker = up.ready()["pids"]["broker"]
    brood = [pid for pid in processes.group_members(broker) if pid != broker]
    assert brood
    os.kill(broker, signal.SIGKILL)
    up.again("broker", broker)
    assert not list(processes.group_members(broker))
    assert up.end()[0] == 0
    assert gone(up.seen["pids"])


def test_killing_up_itself_leaves_nothing_behind(start_up: Callable[..., Up]) -> None:
    up = start_up("--set", "connect.brood=true")
    ready = up.ready()
    up.process.kill()
    up.process.communicate()
    eventually(lambda: gone(ready["pids"]), 20)
    again = start_up()
    assert echoes(again.ready()["broker"]), "the next run takes the folder over"


def test_a_second_up_shows_what_runs(start_up: Callable[..., Up], tmp_path: Path) -> None:
    up = start_up("broker", "registry")
    ready = up.ready()
    other = tmp_path / "other.json"
    second = run("up", "broker", "--data", str(up.data), "--ready-file", str(other))
    assert second.returncode == 0, second.stderr
    assert f"Runs already (pid {ready['pids']['up']})" in second.stdout
    assert json.loads(other.read_text()) == ready
    third = run("up", "--data", str(up.data))
    assert third.returncode == 6
    assert "without connect" in third.stderr


def test_an_up_that_comes_while_another_stops_takes_over(start_up: Callable[..., Up]) -> None:
    first = start_up("broker")
    first.ready()
    first.process.send_signal(signal.SIGTERM)
    second = start_up("broker")
    assert second.ready()["pids"]["up"] == second.process.pid
    first.process.communicate(timeout=20)
    assert first.process.returncode == 0
    assert second.end()[0] == 0


def test_a_deaf_part_is_killed_in_the_end(start_up: Callable[..., Up]) -> None:
    up = start_up("broker", "--set", "broker.deaf=true")
    pids = up.ready()["pids"]
    up.process.send_signal(signal.SIGINT)
    log = up.data / "run.json"
    eventually(lambda: not log.exists(), 10)
    code, _, err = up.end(signal.SIGINT)
    assert code == 0
    assert "killed\n" in err  # at the second signal, or when its time is over
    assert f"Stopped. The data stays in {up.data}" in err
    assert gone(pids)


def test_a_busy_port_names_its_owner_and_the_way_out(start_up: Callable[..., Up], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = run("up", "registry", "--port-base", str(port), "--data", str(tmp_path / "data"))
    assert found.returncode == 6
    assert f"port {port} is in use by " in found.stderr
    assert f"(pid {os.getpid()})" in found.stderr
    assert "do: tidelock up --any-port" in found.stderr
    assert not (tmp_path / "data").exists(), "nothing ran, so nothing is left"


@pytest.mark.parametrize(
    ("setting", "code", "says"),
    [
        (
            "broker.refuse=the log is torn",
            6,
            "Error TID-105: broker: the log is torn\n  at: here\n  do: do that",
        ),
        ("broker.die=true", 1, "broker ended with exit code 7 before it was ready"),
        ("broker.num.thing=4", 2, "broker.num.thing: is not a known key; did you mean broker.num.things?"),
        ("broker.num.things=0", 2, "broker.num.things: 0 is below the minimum 1"),
    ],
)
def test_a_part_that_cannot_start_ends_the_whole(
    start_up: Callable[..., Up], setting: str, code: int, says: str
) -> None:
    up = start_up("--set", setting)
    out, err = up.process.communicate(timeout=30)
    assert up.process.returncode == code
    assert says in err
    assert "Traceback" not in err
    assert out == ""
    assert not up.ready_file.exists()


def test_down_stops_and_waits(start_up: Callable[..., Up]) -> None:
    up = start_up()
    ready = up.ready()
    found = run("down", "--data", str(up.data))
    assert found.returncode == 0, found.stderr
    assert gone({name: pid for name, pid in ready["pids"].items() if name != "up"})
    out, _ = up.process.communicate(timeout=10)
    assert up.process.returncode == 0
    assert "Ready in" in out
    assert run("down", "--data", str(up.data)).returncode == 4
    assert run("status", "--data", str(up.data)).returncode == 4


def test_logs_show_each_part(start_up: Callable[..., Up]) -> None:
    up = start_up("broker", "registry")
    up.ready()
    up.end()
    both = run("logs", "--data", str(up.data)).stdout
    assert "broker: " in both
    assert "registry: " in both
    one = run("logs", "broker", "-n", "1", "--data", str(up.data)).stdout
    assert one.splitlines()[-1].endswith("broker stopped in order")
    assert len(one.splitlines()) == 1
    wrong = run("logs", "brokr", "--data", str(up.data))
    assert wrong.returncode == 4
    assert "choose from broker, registry" in wrong.stderr


def test_memory_leaves_no_folder(tmp_path: Path) -> None:
    ready_file = tmp_path / "ready.json"
    line = [*FAKE, "up", "broker", "--memory", "--any-port", "--ready-file", str(ready_file)]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment) as process:
        eventually(ready_file.exists, 20)
        folder = Path(json.loads(ready_file.read_text())["data"])
        assert folder.is_dir()
        assert folder.parent == tmp_path
        process.send_signal(signal.SIGTERM)
        out = process.communicate(timeout=20)[0]
    assert "thrown away at the end" in out
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "broker.log").write_text("a line of the log\n" * 200_000)
    line = f"{' '.join(FAKE)} logs -n 200000 --data {tmp_path} | head -n 1; echo ${{PIPESTATUS[0]}}"
    found = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert found.stdout == "broker: a line of the log\n141\n"
    assert found.stderr == ""


def test_help_imports_next_to_nothing() -> None:
    """What takes the time at a start is imports: `--help` stays below 0.1 s with click and the tree."""
    program = (
        "import sys, click; before = set(sys.modules)\n"
        "from tidelock.cli.main import main; main(['--help'])\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    imported = found.stdout.splitlines()[-1].split()
    ours = {one for one in imported if one.startswith("tidelock.")}
    assert ours == {"tidelock.cli", "tidelock.errors"} | {
        f"tidelock.cli.{name}" for name in ("commands", "failures", "main", "tree")
    }
    assert len(imported) < 30, imported  # the rest is click laying out text
