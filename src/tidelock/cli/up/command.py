"""`tidelock up`: bind the ports, start the parts, tell where they are, watch them until Ctrl-C."""

from __future__ import annotations

from pathlib import Path

import click

from tidelock.cli.commands import command as declare
from tidelock.cli.up.state import DEFAULT_DATA


@declare(
    examples=(
        "tidelock up",
        "tidelock up broker connect --port-base 19000",
        "tidelock up --memory --any-port --ready-file ready.json",
        "tidelock up broker --set broker.num.partitions=8",
    ),
    exits={
        0: "stopped by Ctrl-C or `tidelock down`, or already running",
        2: "unknown part, setting or value",
        6: "a port or the data folder is taken",
    },
)
@click.argument("parts", nargs=-1, metavar="[registry] [broker] [connect]")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA,
    envvar="TIDELOCK_DATA",
    show_default=True,
    help="Folder that keeps topics, connectors, leases and logs across restarts.",
)
@click.option("--memory", is_flag=True, help="Keep nothing: use a temporary folder and remove it at the end.")
@click.option("--any-port", is_flag=True, help="Take free ports instead of the well-known ones.")
@click.option(
    "--port-base",
    type=click.IntRange(1, 65000),
    help="Take other ports: the registry N, the broker N+1, Connect N+2.",
)
@click.option("--set", "assignments", multiple=True, metavar="PART.KEY=VALUE", help="A setting; repeatable.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Settings of the parts: .toml (a table per part) or .properties (PART.KEY=VALUE); also Kafka's"
    " own server.properties.",
)
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the addresses and process ids as JSON once everything accepts.",
)
def command(parts: tuple[str, ...], **options: object) -> int:
    """Run registry, broker and Connect on this machine until Ctrl-C.

    Everything listens on 127.0.0.1 only, on the ports of the Java counterparts: 8761, 9092, 8083. Each part
    is a process of its own and comes back on the same port and data when it dies. What is stored survives
    restarts. A second `up` in the same folder only shows the addresses.
    """
    from tidelock.cli.up.session import Wish, up  # the work and its imports

    return up(Wish.of(parts, options))
