"""The command tree: every command's name, one-line help and module, in the order that help shows.

This is the only place where a command is registered. A module is imported when its command is used (or its
own help asked for), so `tidelock --help` costs click and this table. Each module defines `command`. A test
walks the tree and compares each line here with the first sentence of the command's own help.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Leaf:
    """A command: its one-line help and the module that defines `command`."""

    help: str
    module: str


@dataclass(frozen=True, slots=True)
class Branch:
    """A noun: its one-line help and its verbs."""

    help: str
    children: Mapping[str, Leaf]


TREE: dict[str, Leaf | Branch] = {
    "up": Leaf("Run registry, broker and Connect on this machine until Ctrl-C.", "tidelock.cli.up.command"),
    "down": Leaf("Stop what `tidelock up` runs in a data folder.", "tidelock.cli.down"),
    "run": Leaf("Run an ASGI application as instances that the registry knows.", "tidelock.cli.run.command"),
    "status": Leaf("Show what runs: parts, processes, addresses, health, memory.", "tidelock.cli.status"),
    "demo": Leaf(
        "Tell the order story in five acts, with real processes, real kills and a proof.",
        "tidelock.cli.demo.command",
    ),
    "logs": Leaf("Show what the parts wrote to their logs.", "tidelock.cli.logs"),
    "verify": Leaf(
        "Compare a table of one or more sources with a target, row by row.", "tidelock.cli.verify"
    ),
    "topic": Branch(
        "Topics of the broker.",
        {
            "ls": Leaf("List the topics.", "tidelock.cli.topic.ls"),
            "create": Leaf("Create topics.", "tidelock.cli.topic.create"),
            "describe": Leaf(
                "Show a topic: its partitions with their offsets, and its own settings.",
                "tidelock.cli.topic.describe",
            ),
            "alter": Leaf(
                "Change settings of topics, or give them more partitions.", "tidelock.cli.topic.alter"
            ),
            "delete": Leaf("Delete topics and everything in them.", "tidelock.cli.topic.delete"),
            "produce": Leaf(
                "Produce one record per line of standard input or of a file.", "tidelock.cli.topic.produce"
            ),
            "tail": Leaf("Show the last records of a topic.", "tidelock.cli.topic.tail"),
        },
    ),
    "group": Branch(
        "Consumer groups of the broker.",
        {
            "ls": Leaf("List the consumer groups, with their state.", "tidelock.cli.group.ls"),
            "describe": Leaf(
                "Show a group: its members, and the lag of every partition it has committed.",
                "tidelock.cli.group.describe",
            ),
        },
    ),
    "connect": Branch(
        "Connectors of a Connect worker.",
        {
            "distributed": Leaf(
                "Run one of several Connect workers that share their work.",
                "tidelock.cli.connect.distributed",
            ),
            "run": Leaf(
                "Run a one-file pipeline, with a broker of its own where none is named or runs here.",
                "tidelock.cli.connect.run",
            ),
            "validate": Leaf(
                "Check connectors and pipelines, and show what would become of real records.",
                "tidelock.cli.connect.validate",
            ),
            "standalone": Leaf(
                "Run a Connect worker from Kafka's own properties files.", "tidelock.cli.connect.standalone"
            ),
            "plugins": Leaf("List the connector plugins of the worker.", "tidelock.cli.connect.plugins"),
            "ls": Leaf("List the connectors, with the states of their tasks.", "tidelock.cli.connect.ls"),
            "apply": Leaf(
                "Create or update connectors from files, JSON or Java properties.",
                "tidelock.cli.connect.apply",
            ),
            "status": Leaf(
                "Show a connector and its tasks, and why a task failed.", "tidelock.cli.connect.status"
            ),
            "pause": Leaf(
                "Pause connectors: their tasks stay, and do nothing until they are resumed.",
                "tidelock.cli.connect.pause",
            ),
            "resume": Leaf("Resume connectors that are paused or stopped.", "tidelock.cli.connect.resume"),
            "restart": Leaf(
                "Restart a connector and its tasks, or what of it failed.", "tidelock.cli.connect.restart"
            ),
            "delete": Leaf("Delete connectors; their offsets are kept.", "tidelock.cli.connect.delete"),
        },
    ),
    "dlq": Branch(
        "Dead letters: records that sink connectors left out.",
        {
            "ls": Leaf("List the dead letter queues of the worker's connectors.", "tidelock.cli.dlq.ls"),
            "show": Leaf(
                "Show the letters of a queue: where each came from, and what went wrong.",
                "tidelock.cli.dlq.show",
            ),
            "replay": Leaf(
                "Send the letters of a queue back to the topics they came from.", "tidelock.cli.dlq.replay"
            ),
        },
    ),
    "service": Branch(
        "Services in the registry.",
        {
            "ls": Leaf(
                "List the services and their instances, as the registry knows them.",
                "tidelock.cli.service.ls",
            ),
        },
    ),
}
