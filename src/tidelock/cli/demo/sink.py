"""The sink of act 2, made and watched through Connect's REST interface like any user would."""

from __future__ import annotations

import json
from typing import Any

from tidelock.cli.demo.world import World
from tidelock.errors import TidelockError

CONNECTOR = "orders-sink"


class SinkRefusedError(TidelockError):
    """Connect does not take the sink's configuration."""

    code = "TID-717"


async def create_sink(world: World) -> float:
    """Create the sink through Connect's REST interface; returns the seconds until it runs."""
    config: dict[str, Any] = json.loads((world.folder / "orders-sink.json").read_text(encoding="utf-8"))
    config["connection.url"] = world.common_url.render_as_string(hide_password=False)
    url = f"{world.addresses['connect']}/connectors/{CONNECTOR}/config"
    headers = {"Content-Type": "application/json"}
    response = await world.client.put(url, content=json.dumps(config).encode(), headers=headers, timeout=30.0)
    if response.status not in (200, 201):
        raise SinkRefusedError(f"Connect refuses the sink: {response.text}", where=url)

    async def running() -> bool:
        status = await sink_status(world)
        states = [status["connector"]["state"], *(task["state"] for task in status["tasks"])]
        return len(states) > 1 and set(states) == {"RUNNING"}

    return round(await world.until("the sink runs", running, world.platform), 2)


async def sink_status(world: World) -> Any:
    """Return Connect's status document of the sink."""
    return await world.ask(f"{world.addresses['connect']}/connectors/{CONNECTOR}/status")


async def sink_pid(world: World) -> int:
    """Return the process id of the sink's task, 0 while it has none."""
    progress = await world.ask(f"{world.addresses['connect']}/connectors/{CONNECTOR}/progress")
    tasks = progress["tasks"]
    return int(tasks[0].get("pid") or 0) if tasks else 0
