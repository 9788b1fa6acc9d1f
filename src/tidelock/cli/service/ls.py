"""`tidelock service ls`: every instance that the registry knows."""

from __future__ import annotations

from typing import Any

import click

from tidelock.cli import options, output
from tidelock.cli.commands import command as declare


@declare(
    examples=("tidelock service ls", "tidelock service ls order-service -o json"),
    exits={4: "the named service has no instance"},
)
@click.argument("service", required=False)
@options.registry_url
@output.option
def command(service: str | None, registry_url: str, output: output.Output) -> None:
    """List the services and their instances, as the registry knows them."""
    rows = listed(registry_url)
    if service is not None:
        rows = [row for row in rows if row["service"] == service.upper()]
        if not rows:
            from tidelock.errors import NotFoundError

            raise NotFoundError(
                f"no instance of {service.upper()} is registered",
                where=registry_url,
                hint="tidelock service ls",
            )
    output.rows(rows, columns=("service", "instance", "status", "address"), key="instance")


def listed(url: str) -> list[dict[str, Any]]:
    """Ask a registry for all its instances."""
    from tidelock.cli.rest import ask_raw
    from tidelock.discovery.codec import json

    root = url.rstrip("/")
    path = "/apps" if root.endswith(("/eureka", "/v2")) else "/eureka/apps"
    found = json.read_applications(ask_raw("registry", root, path))
    return [
        {
            "service": one.app,
            "instance": one.instance_id,
            "status": one.status.value,
            "address": "{}:{}".format(*one.address),
            "last_renewal_ms": one.last_renewal_timestamp or None,
            "metadata": one.metadata,
        }
        for instances in found.instances.values()
        for one in instances
    ]
