"""spring-ready-python's Eureka part, unmodified, driven by lines; answers are JSON lines.

Commands: `see APP`, `services`, `url APP`, `status STATUS`, `quit`.

usage: spring_client.py URL APP ID PORT
"""

import json
import logging
import sys
from typing import Any

from spring_ready.eureka.discovery import ServiceDiscovery
from spring_ready.eureka.instance import InstanceInfo, InstanceStatus
from spring_ready.eureka.registry import EurekaRegistry
from spring_ready.exceptions import ServiceDiscoveryError


def say(**fields: Any) -> None:
    sys.stdout.write(f"{json.dumps(fields)}\n")
    sys.stdout.flush()


def main() -> None:
    logging.disable(logging.CRITICAL)
    url, app, instance_id, port = sys.argv[1:]
    instance = InstanceInfo.create(
        app, instance_id, "127.0.0.1", "127.0.0.1", int(port), metadata={"a_b": "c"}
    )
    instance.lease_info.renewal_interval_in_secs, instance.lease_info.duration_in_secs = 1, 3
    registry = EurekaRegistry([f"{url}/"], instance)
    discovery = ServiceDiscovery(registry.client)
    registry.start()
    say(event="started")
    for line in iter(sys.stdin.readline, ""):
        command, _, argument = line.strip().partition(" ")
        if command == "see":
            try:
                found = discovery.get_instances(argument)
            except ServiceDiscoveryError:
                found = []
            say(seen=sorted(instance.instance_id for instance in found))
        elif command == "services":
            say(services=sorted(discovery.list_services()))
        elif command == "url":
            say(url=discovery.get_service_url(argument))
        elif command == "status":
            registry.update_status(InstanceStatus[argument])
            say(event="status")
        elif command == "quit":
            break
    registry.shutdown()
    say(event="stopped")


main()
