"""Kafka Connect's REST interface as one ASGI application over a herder.

Source: Kafka `org.apache.kafka.connect.runtime.rest.RestServer`.
"""

from __future__ import annotations

from tidelock.connect.rest.admin import AdminResource
from tidelock.connect.rest.connectors import ConnectorsResource
from tidelock.connect.rest.offsets import OffsetsResource
from tidelock.connect.rest.plugins import PluginsResource
from tidelock.connect.rest.routing import Doorkeeper, Route, Router
from tidelock.connect.runtime.herder import StandaloneHerder


def rest_app(herder: StandaloneHerder, doorkeeper: Doorkeeper | None = None) -> Router:
    """Return the application; `doorkeeper` says whose requests it answers."""
    return Router(routes(herder), doorkeeper)


def routes(herder: StandaloneHerder) -> list[Route]:
    """Return the table of every path that clients use."""
    resources = (PluginsResource, ConnectorsResource, OffsetsResource, AdminResource)
    return [route for resource in resources for route in resource(herder).routes()]
