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
