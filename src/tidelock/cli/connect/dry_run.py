"""Configurations checked, and real records tried, in this process: what `connect validate` does.

No worker is needed: the files say which brokers and databases there are. Records of topics are read without a
group, so nobody's offsets move.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from tidelock.cli import kafka
from tidelock.cli.connect import connectors
from tidelock.cli.records import starts
from tidelock.client import Admin, ClientSettings, Consumer, Message
from tidelock.config import ConfigError, Problem
from tidelock.connect.runtime.config_providers import Providers
from tidelock.connect.runtime.kafka import client_properties
from tidelock.connect.runtime.plugins import Plugins, connector_kind
from tidelock.connect.runtime.sample import POLL_WITHIN, Dry, SampledRecord, Sent, sample_sink, sample_source
from tidelock.connect.runtime.settings import StandaloneSettings
from tidelock.connect.runtime.validation import check_with_references
from tidelock.errors import UnreachableError
from tidelock.properties import load_properties
from tidelock.runtime import SystemClock

CLIENT = "tidelock-validate"
WIDTH = 60


def wanted(
    files: Iterable[Path], worker_file: Path | None, bootstrap: Callable[[], str]
) -> list[tuple[Mapping[str, str], dict[str, str]]]:
    """Return (worker's keys, configuration) of every connector in files, all checked.

    Keys that nobody reads are told on standard error.

    Args:
        files: connectors or pipelines.
        worker_file: keys of the worker, for files without any.
        bootstrap: gives the broker where nobody names one.

    Raises:
        ConfigError: with every problem of every file.
    """
    problems: list[Problem] = []
    found: list[tuple[Mapping[str, str], dict[str, str]]] = []
    for file in files:
        worker = load_properties(worker_file) if worker_file else {}
        if connectors.is_pipeline(file):
            worker.update(connectors.pipeline(file).worker)
        worker.setdefault("bootstrap.servers", bootstrap())
        problems += StandaloneSettings.examine(worker, strict=False)[1]
        for name, config in connectors.from_file(file):
            wrong, unknown = examined(worker, config, name)
            problems += wrong
            connectors.warn(name, unknown)
            found.append((worker, config))
    if problems:
        raise ConfigError(tuple(problems))
    return found


def examined(
    worker: Mapping[str, str], config: Mapping[str, str], name: str
) -> tuple[list[Problem], Sequence[Problem]]:
    """Return every problem of a connector and of the worker's keys that it inherits, and the unknown keys."""
    if not config.get("connector.class"):
        why = "is required; tidelock connect plugins lists what there is"
        return [Problem(f"{name}: connector.class", None, why)], ()
    checked = check_with_references(Plugins(), config, worker, Providers.of(worker))
    wrong = [Problem(f"{name}: {key}", None, text) for key, texts in checked.errors.items() for text in texts]
    return wrong, checked.unknown


def sampled(
    found: Iterable[tuple[Mapping[str, str], Mapping[str, str]]], count: int, start: str | None
) -> Iterator[tuple[str, SampledRecord]]:
    """Yield connector and what would become of each of up to `count` real records of every connector.

    A sink whose topics one of the sources writes gets what that source would send: a pipeline can be tried
    before there is a broker.

    Args:
        found: (worker's keys, configuration), sources before the sinks that read from them.
        count: at least 1.
        start: where a sink's records begin in each partition, as `topic tail --from`; None: the newest.
    """
    sent: list[Sent] = []
    silent = False
    for worker, config in found:
        providers = Providers.of(worker)
        dry = Dry(Plugins(), providers.resolved(worker), providers.resolved(config))
        if connector_kind(dry.loaded) == "source":
            rows = sample_source(dry, count, SystemClock(), time.sleep)
            sent += [one.sent for one in rows if one.sent is not None]
            if not rows:
                silent = True
                click.echo(f"Source {dry.name} has no record within {POLL_WITHIN:.0f} s.", err=True)
        else:
            reads = _reader(dry.config)
            mine: Sequence[Message] = [one for one in sent if reads(one.topic())][:count]
            try:
                given = mine or _read(dry, count, start or f"-{count}", is_newest=start is None)
            except (kafka.NoSuchTopicError, UnreachableError):
                if not silent:
                    raise
                continue  # a topic that the silent source would have made is not to blame
            rows = sample_sink(dry, given)
        yield from ((dry.name, one) for one in rows)


def row(connector: str, one: SampledRecord, *, short: bool) -> dict[str, Any]:
    """Return a sampled record as a row.

    Args:
        connector: its name.
        one: what became of it.
        short: whether values are cut for a table.
    """
    error = None if one.error is None else {"code": one.error.code, "text": str(one.error)}
    return {
        "connector": connector,
        "record": one.place,
        "input": _short(one.given) if short else one.given,
        "output": _short(one.made) if short else one.made,
        "result": one.result,
        "error": error,
    }


def _short(record: Mapping[str, Any] | None) -> str | None:
    """Return a record for a table: `key: value`, or its value where it has no key."""
    if record is None:
        return None
    key, value = record.get("key"), _text(record.get("value"))
    text = value if key is None else f"{_text(key)}: {value}"
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, str) else value


def _read(dry: Dry, count: int, start: str, *, is_newest: bool) -> Sequence[Message]:
    properties = client_properties(dry.worker, dry.config, "consumer")
    for ours in ("group.id", "group.instance.id", "max.poll.records"):
        properties.pop(ours, None)
    settings = ClientSettings.parse(properties, where="consumer keys")
    bootstrap = properties["bootstrap.servers"]
    with kafka.meaning(bootstrap, dry.config.get("topics")):
        client = Admin(settings, name=CLIENT)
        topics = _topics(dry.config, client)
        partitions = [one for topic in topics for one in client.partitions(topic)]
        first, last = kafka.settled(
            lambda: (client.begin_offsets(partitions), client.end_offsets(partitions))
        )
        with closing(Consumer(settings, name=CLIENT)) as consumer:
            found: list[Message] = []
            for message in kafka.messages(consumer, starts(start, first, last), last):
                found.append(message)
                if not is_newest and len(found) >= count:
                    break
    found.sort(key=lambda one: (one.timestamp()[1], one.topic(), one.partition(), one.offset()))
    return found[-count:] if is_newest else found[:count]


def _topics(config: Mapping[str, str], client: Admin) -> list[str]:
    named = [one.strip() for one in config.get("topics", "").split(",") if one.strip()]
    return named or [one.name for one in client.topics() if _reader(config)(one.name)]


def _reader(config: Mapping[str, str]) -> Callable[[str], bool]:
    """Return whether a sink reads a topic."""
    named = {one.strip() for one in config.get("topics", "").split(",") if one.strip()}
    pattern = re.compile(config.get("topics.regex", ""))
    return lambda topic: topic in named if named else pattern.fullmatch(topic) is not None
