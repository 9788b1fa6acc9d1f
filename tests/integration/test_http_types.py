"""A type checker sees through `connect` without a plugin."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SNIPPET = """
from typing import assert_type
import msgspec
from tidelock import http

class Order(msgspec.Struct):
    id: int

@http.api("order-service", path="/orders", timeout=2.0, errors={409: KeyError})
class Orders:
    @http.get("/{id}")
    async def get(self, id: int) -> Order | None:
        raise NotImplementedError
    @http.post(idempotent=True)
    async def place(self, order: Order, *, tenant: http.Header[str] = "eu") -> Order:
        raise NotImplementedError

    @http.get("/all")
    def all(self) -> http.Page[Order]:
        raise NotImplementedError
    @http.get("/events")
    def events(self, since: int = 0) -> http.Stream[Order]:
        raise NotImplementedError

async def use() -> None:
    orders = http.connect(Orders, source=http.StaticSource({"order-service": "http://127.0.0.1:1"}))
    assert_type(orders, Orders)
    assert_type(await orders.get(1), Order | None)
    assert_type(await orders.place(Order(1), tenant="us"), Order)
    assert_type(http.at(orders, "i1"), Orders)
    async with http.Client() as client:
        assert_type(await client.connect(Orders).get(1), Order | None)
        assert_type((await client.get("http://order-service/")).status, int)
    async for order in orders.all():
        assert_type(order, Order)
    async for event in orders.events(since=3):
        assert_type(event, Order)
    with http.connect_blocking(Orders) as blocking:
        for order in blocking(Orders.all):
            assert_type(order, Order)
        for event in blocking(Orders.events, since=3):
            assert_type(event, Order)
        blocking(Orders.events, since="x")  # WRONG
        assert_type(blocking, http.Blocking[Orders])
        assert_type(blocking(Orders.get, 1), Order | None)
        assert_type(blocking(Orders.place, Order(1), tenant="us"), Order)
        assert_type(http.at(blocking, "i1")(Orders.get, id=1), Order | None)
        blocking(Orders.get, "one")  # WRONG
        blocking(Orders.place, Order(1), tenant=3)  # WRONG
        blocking(Here.other)  # WRONG
    await orders.get("one")  # WRONG
    await orders.place(Order(1), tenant=3)  # WRONG

class Here(Orders):
    async def get(self, id: str) -> Order | None:  # WRONG
        return None
    async def other(self) -> None:
        return None
"""


def test_mypy_strict_reveals_every_type_and_finds_every_mistake(tmp_path: Path) -> None:
    file = tmp_path / "snippet.py"
    file.write_text(SNIPPET)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--no-error-summary", str(file)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    found = {int(line.split(":")[1]) for line in result.stdout.splitlines() if ": error:" in line}
    wrong = {number for number, line in enumerate(SNIPPET.splitlines(), 1) if line.endswith("# WRONG")}
    assert found == wrong, result.stdout


def test_pyright_reveals_the_same_and_finds_the_same_mistakes(tmp_path: Path) -> None:
    pyright = Path(sys.executable).with_name("pyright")
    if shutil.which("node") is None or not pyright.exists():
        pytest.skip("pyright with Node.js is not installed (Debian package nodejs; make)")
    file = tmp_path / "snippet.py"
    file.write_text(SNIPPET)
    command = [str(pyright), "--pythonpath", sys.executable, "--outputjson", str(file)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    if not result.stdout.startswith("{"):
        pytest.skip(f"pyright cannot be fetched with npm: {result.stderr.strip()[-200:]}")
    problems = json.loads(result.stdout)["generalDiagnostics"]
    found = {one["range"]["start"]["line"] + 1 for one in problems if one["severity"] == "error"}
    wrong = {number for number, line in enumerate(SNIPPET.splitlines(), 1) if line.endswith("# WRONG")}
    assert found == wrong, problems
