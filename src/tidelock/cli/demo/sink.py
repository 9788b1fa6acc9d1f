"""The sinks of act 2, made and watched through Connect's REST interface like any user would.

`orders-sink` is the story's: it upserts one row per order. `orders-journal` is a witness for the proof: it
inserts one row per event into a table without any key, where an event written twice would stand twice.
"""

from __future__ import annotations

import json
from typing import Any

from tidelock.cli.demo.database import JOURNAL
from tidelock.cli.demo.world import World
from tidelock.errors import TidelockError

CONNECTOR = "orders-sink"
WITNESS = "orders-journal"
SINKS = (CONNECTOR, WITNESS)
CONFIG_FILE = "orders-sink.json"


class SinkRefusedError(TidelockError):
    """Connect does not take a sink's configuration."""

    code = "TID-717"


def configurations(world: World) -> dict[str, dict[str, Any]]:
    """Return what both sinks are configured with; the witness differs in its table and in having no key."""
    config: dict[str, Any] = json.loads((world.folder / CONFIG_FILE).read_text(encoding="utf-8"))
    config["connection.url"] = world.common_url.render_as_string(hide_password=False)
    without_key = {"insert.mode": "insert", "pk.mode": "none", "pk.fields": "", "table.name.format": JOURNAL}
    return {CONNECTOR: config, WITNESS: config | without_key}


async def create_sinks(world: World) -> float:
    """Create both sinks; returns the seconds until they run."""
    for name, config in configurations(world).items():
        url = f"{world.addresses['connect']}/connectors/{name}/config"
        headers = {"Content-Type": "application/json"}
        body = json.dumps(config).encode()
        response = await world.client.put(url, content=body, headers=headers, timeout=30.0)
        if response.status not in (200, 201):
            raise SinkRefusedError(f"Connect refuses the sink: {response.text}", where=url)

    async def running() -> bool:
        return all([await is_running(world, name) for name in SINKS])

    return round(await world.until("the sinks run", running, world.platform), 2)


async def is_running(world: World, name: str) -> bool:
    """Whether a sink and its task are RUNNING."""
    status = await world.ask(f"{world.addresses['connect']}/connectors/{name}/status")
    states = [status["connector"]["state"], *(task["state"] for task in status["tasks"])]
    return len(states) > 1 and set(states) == {"RUNNING"}


async def task_pid(world: World, name: str) -> int:
    """Return the process id of a sink's task, 0 while it has none."""
    progress = await world.ask(f"{world.addresses['connect']}/connectors/{name}/progress")
    tasks = progress["tasks"]
    return int(tasks[0].get("pid") or 0) if tasks else 0
