"""`tidelock up` with the real parts: they answer, they survive kills with their data, they stop in order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable

from tests.support.up import REAL, ROOT, Up
from tests.support.waiting import eventually
from tidelock.cli import rest
from tidelock.cli.service.ls import listed

INSTANCE = {
    "instanceId": "one",
    "app": "ORDER-SERVICE",
    "hostName": "127.0.0.1",
    "ipAddr": "127.0.0.1",
    "status": "UP",
    "port": {"$": 8081, "@enabled": "true"},
    "dataCenterInfo": {"name": "MyOwn", "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo"},
}


def run(up: Up, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TIDELOCK_DATA": str(up.data)}
    line = [*REAL, *arguments]
    return subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30)


def test_the_broker_survives_a_kill_with_its_records(start_up: Callable[..., Up]) -> None:
    up = start_up("broker", "--set", "broker.num.partitions=2", command=REAL)
    ready = up.ready()
    assert run(up, "topic", "produce", "orders", "-k", "k", str(ROOT / "LICENSE")).returncode == 0
    before = run(up, "topic", "describe", "orders", "-o", "json")
    assert len(json.loads(before.stdout)["partitions"]) == 2
    os.kill(ready["pids"]["broker"], signal.SIGKILL)
    after = run(up, "topic", "describe", "orders", "-o", "json")
    assert after.stdout == before.stdout, "asked in between: the answer waits for the restarted broker"
    up.again("broker", ready["pids"]["broker"])
    assert up.end()[0] == 0
    again = start_up("broker", command=REAL)
    again.ready()
    kept = run(again, "topic", "describe", "orders", "-o", "json")
    assert kept.stdout == before.stdout
    assert again.end()[0] == 0


def test_a_wrong_setting_is_told_before_anything_starts(start_up: Callable[..., Up]) -> None:
    wrong = ["--set", "broker.num.partition=4", "--set", "broker.log.segment.bytes=1"]
    up = start_up(*wrong, command=REAL)
    _, err = up.process.communicate(timeout=20)
    assert up.process.returncode == 2
    assert "2 problems" in err
    assert "did you mean broker.num.partitions?" in err
    assert "broker.log.segment.bytes: 1 is below the minimum 14" in err
    assert not up.data.exists()


def test_the_registry_survives_a_kill_with_its_leases(start_up: Callable[..., Up]) -> None:
    up = start_up("registry", command=REAL)
    ready = up.ready()
    url = ready["registry"]
    rest.ask("registry", url, "POST", "/eureka/apps/ORDER-SERVICE", {"instance": INSTANCE})
    eventually(lambda: list((up.data / "registry").iterdir()), 5)
    os.kill(ready["pids"]["registry"], signal.SIGKILL)
    up.again("registry", ready["pids"]["registry"])
    assert [row["instance"] for row in listed(url)] == ["one"]
    found = run(up, "service", "ls", "-o", "json")
    assert [row["address"] for row in json.loads(found.stdout)] == ["127.0.0.1:8081"]
    status = run(up, "status", "-o", "json")
    assert status.returncode == 0, status.stdout
    assert {row["part"]: row["state"] for row in json.loads(status.stdout)} == {"up": "UP", "registry": "UP"}
    assert up.end()[0] == 0
