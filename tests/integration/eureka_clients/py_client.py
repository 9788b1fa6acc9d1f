"""py-eureka-client, unmodified, driven by lines; answers are JSON lines.

Commands: `see APP`, `metadata APP`, `vip NAME`, `instance APP ID`, `status STATUS`, `unset`, `quit`.

usage: py_client.py URL APP ID PORT
"""

import asyncio
import json
import sys
from typing import Any

answers, sys.stdout = sys.stdout, sys.stderr  # the client logs to stdout

from py_eureka_client import eureka_basic  # noqa: E402  # after that
from py_eureka_client.eureka_client import EurekaClient  # noqa: E402  # after that


def say(**fields: Any) -> None:
    answers.write(f"{json.dumps(fields)}\n")
    answers.flush()


async def main() -> None:
    url, app, instance_id, port = sys.argv[1:]
    client = EurekaClient(
        eureka_server=url,
        app_name=app,
        instance_id=instance_id,
        instance_host="127.0.0.1",
        instance_ip="127.0.0.1",
        instance_port=int(port),
        renewal_interval_in_secs=1,
        duration_in_secs=3,
        metadata={"a_b": "c"},
    )
    await client.start()
    say(event="started")
    for line in iter(sys.stdin.readline, ""):
        command, _, argument = line.strip().partition(" ")
        if command == "see":
            found = client.applications.get_application(argument).up_instances
            say(seen=sorted(instance.instanceId for instance in found))
        elif command == "metadata":
            found = client.applications.get_application(argument).up_instances
            say(metadata=[instance.metadata for instance in found])
        elif command == "vip":
            found = await eureka_basic.get_vip(f"{url}/", argument)
            say(seen=sorted(one.instanceId for app in found.applications for one in app.instances))
        elif command == "instance":
            app_name, _, wanted = argument.partition(" ")
            # this one returns the coroutine that does the work
            by_id = await (await eureka_basic.get_instance(f"{url}/", wanted))
            in_app = await eureka_basic.get_app_instance(f"{url}/", app_name, wanted)
            say(found=[by_id.instanceId, in_app.instanceId, in_app.metadata])
        elif command == "status":
            await client.status_update(argument)
            say(event="status")
        elif command == "unset":
            await client.delete_status_override()
            say(event="unset")
        elif command == "quit":
            break
    await client.stop()
    say(event="stopped")


asyncio.run(main())
