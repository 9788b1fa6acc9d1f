"""The order story end to end: it proves what it says, and whatever ends it leaves no process behind."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL

from tests.support.demo import COMMAND, ROOT, left_running, run_demo
from tests.support.waiting import eventually

HEAD = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
REAL_ORDERS = ROOT.parent / "shared" / "data" / "online_retail.csv.gz"
FEW = ("--count", "240")

pytestmark = pytest.mark.slow


def verify(document: dict[str, Any]) -> int:
    sources = [word for url in document["sources"] for word in ("--source", url)]
    command = [*COMMAND[:-1], "verify", "orders", *sources, "--target", document["target"]]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode


def proved(code: int, acts: list[dict[str, Any]], errors: str) -> dict[str, Any]:
    assert code == 0, errors
    assert [act["act"] for act in acts] == [1, 2, 3, 4, 5]
    assert all(act["ok"] for act in acts), acts
    proof: dict[str, Any] = acts[-1]["figures"]
    assert (
        proof["missing"] == proof["duplicate"] == proof["out_of_order_per_key"] == proof["events_twice"] == 0
    )
    assert proof["checksums_equal"]
    assert proof["sums_equal"]
    assert acts[2]["figures"]["failed"] == acts[3]["figures"]["failed"] == 0
    return proof


def test_the_story_passes_and_what_it_left_can_be_verified_again(tmp_path: Path) -> None:
    data = tmp_path / "demo"
    code, acts, errors = run_demo(data, *FEW)
    proof = proved(code, acts, errors)
    assert proof["in_database"] == 240
    assert verify(acts[-1]) == 0
    page = (data / "report.html").read_text()
    assert "PASS" in page
    assert "kill -9 broker" in page
    assert (data / "order_service.py").exists()
    assert left_running(data) == []
    with sqlite3.connect(data / "common.db") as database:
        database.execute("update orders set country = 'Atlantis' where invoice_no = '700003'")
        database.execute("update orders set country = 'Atlantis' where invoice_no = 'C700003'")
    assert verify(acts[-1]) == 1


def test_one_order_is_enough_for_a_story(tmp_path: Path) -> None:
    orders = tmp_path / "orders.csv"
    orders.write_text(HEAD + "1,A,Tea,2,2010-12-01 08:26:00,2.55,,Norway\n")
    proof = proved(*run_demo(tmp_path / "demo", "--orders", str(orders)))
    assert (proof["in_database"], proof["lines"], proof["total"]) == (1, 1, "5.100")


@pytest.mark.needs_db
@pytest.mark.parametrize("any_database", ["postgresql", "mysql"], indirect=True)
def test_the_common_database_may_be_a_real_server(tmp_path: Path, any_database: URL) -> None:
    url = any_database.render_as_string(hide_password=False)
    proved(*run_demo(tmp_path / "demo", *FEW, "--db", url))
    code, acts, errors = run_demo(tmp_path / "second", *FEW, "--db", url)
    assert (code, acts) == (6, [])
    assert "not empty" in errors
    assert not (tmp_path / "second").exists()


@pytest.mark.skipif(not REAL_ORDERS.exists(), reason="the UCI Online Retail file is not beside the project")
@pytest.mark.timeout(400)
def test_all_real_orders_arrive_exactly_once(tmp_path: Path) -> None:
    proof = proved(*run_demo(tmp_path / "demo", "--orders", str(REAL_ORDERS), timeout=390))
    assert (proof["in_database"], proof["lines"], proof["total"]) == (25_900, 541_909, "9747747.934")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "line 1: the file is empty"),
        ("InvoiceNo,Quantity\n1,2\n", "missing columns"),
        (
            HEAD + "1,A,Tea,two,2010-12-01 08:26:00,2.55,1,Norway\n",
            "line 2: Quantity 'two' is not a whole number",
        ),
    ],
)
def test_a_bad_file_is_refused_before_anything_is_written(tmp_path: Path, content: str, says: str) -> None:
    orders = tmp_path / "orders.csv"
    orders.write_text(content)
    code, acts, errors = run_demo(tmp_path / "demo", "--orders", str(orders), timeout=30)
    assert code == 2
    assert acts == []
    assert says in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("log", "number"), [("platform.log", signal.SIGTERM), ("user-service.log", signal.SIGINT)]
)
def test_an_interrupted_story_leaves_no_process(tmp_path: Path, log: str, number: signal.Signals) -> None:
    data = tmp_path / "demo"
    story = subprocess.Popen(
        [*COMMAND, "--data", str(data), "--count", "20000"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually((data / "logs" / log).exists, 60)
    story.send_signal(number)
    out, errors = story.communicate(timeout=60)
    assert story.returncode == 130, errors
    assert "every process is stopped" in out
    assert left_running(data) == []


def test_a_killed_story_leaves_no_process_and_the_next_one_starts_clean(tmp_path: Path) -> None:
    data = tmp_path / "demo"
    story = subprocess.Popen(
        [*COMMAND, "--data", str(data)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    eventually(lambda: (data / "logs" / "user-service.log").exists(), 60)
    os.kill(story.pid, signal.SIGKILL)
    story.wait()
    nothing_left: Callable[[], bool] = lambda: left_running(data) == []  # noqa: E731
    eventually(nothing_left, 20)
    proved(*run_demo(data, *FEW))


def test_a_running_story_keeps_others_out_of_its_folder(tmp_path: Path) -> None:
    data = tmp_path / "demo"
    story = subprocess.Popen(
        [*COMMAND, "--data", str(data)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        eventually(lambda: (data / "tidelock-demo.json").exists(), 60)
        code, acts, errors = run_demo(data, *FEW, timeout=30)
        assert (code, acts) == (6, [])
        assert f"pid {story.pid}" in errors
    finally:
        story.terminate()
        story.wait(60)
    assert json.loads((data / "tidelock-demo.json").read_text())["sources"]
