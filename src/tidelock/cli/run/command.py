"""`tidelock run`: serve an ASGI application and keep it registered while it is served."""

from __future__ import annotations

from pathlib import Path

import click

from tidelock.cli.commands import command as declare
from tidelock.runtime import LOOPBACK


@declare(
    examples=(
        "tidelock run orders:app --name order-service",
        "tidelock run orders:app --name order-service -n 2 --port 8001",
        "tidelock run shop.orders:make_app --factory --name order-service --reload",
    ),
    exits={0: "stopped by Ctrl-C", 2: "there is no such application", 6: "a port is taken"},
)
@click.argument("app", metavar="MODULE:APP")
@click.option("--name", required=True, help="The service's name, as callers say it.")
@click.option(
    "-n",
    "count",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="How many instances; each is a process with a port of its own.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="The first instance's port, the others take the next ones.  [default: free ones]",
)
@click.option("--host", default=LOOPBACK, show_default=True, help="The address to listen on.")
@click.option("--factory", is_flag=True, help="APP is a function that returns the application.")
@click.option(
    "--reload", "reloads", is_flag=True, help="Restart the instances in turn when a .py file changes."
)
@click.option(
    "--drain",
    type=click.FloatRange(0.0, 4.0),
    default=1.0,
    show_default=True,
    help="Seconds to wait at the end for callers to know that an instance leaves.",
)
@click.option(
    "--grace",
    type=click.FloatRange(1.0, 3600.0),
    default=10.0,
    show_default=True,
    help="Seconds for requests in flight at the end.",
)
@click.option(
    "--registry-url",
    envvar="TIDELOCK_REGISTRY_URL",
    show_envvar=True,
    metavar="URL",
    help="Where to register.  [default: EUREKA_CLIENT_SERVICEURL_DEFAULTZONE, else what ./.tidelock runs]",
)
def command(**given: object) -> int:
    """Run an ASGI application as instances that the registry knows.

    Each instance is registered as STARTING, becomes UP when its port accepts, and answers /actuator/health
    and /actuator/info. At the end (SIGTERM, Ctrl-C) it is taken out of service first, then its port is
    closed, what is in flight is finished and the lease is cancelled. An instance that dies comes back.
    """
    from tidelock.cli.run.instances import Instances, Plan  # the work and its imports
    from tidelock.runtime import SystemClock

    plan = Plan.of(given, Path.cwd())
    return Instances(plan, SystemClock(), lambda text: click.echo(text, err=True)).run()
