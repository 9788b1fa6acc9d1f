"""One-file pipelines: a worker, a source, transforms and a sink in one TOML or properties file.

    name = "shop"                        # the file's name without it

    [source]                             # a connector's own keys, as in its .properties file
    connector.class = "FileStreamSource"
    file = "orders.txt"
    topic = "orders"

    [transforms.wrap]                    # in the order in which they stand
    type = "HoistField$Value"
    field = "line"

    [sink]
    connector.class = "FileStreamSink"
    file = "copy.txt"

Each part is optional, several sources or sinks are `[[source]]` or `[[sink]]`, and `[worker]` has the keys of
connect-standalone.properties. Transforms and predicates of the file belong to the sources, so that the topic
holds what the sinks write, and to the sinks where there is no source; `[sink.transforms.x]` are a part's own.
A sink without topics reads what the sources write. In a properties file the same names have dots:
`source.connector.class=...`. Pure; the file is read by whoever has it. All problems are told at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidelock.config import ConfigError, Problem, nearest
from tidelock.config_file import flattened

PARTS = ("source", "sink")
CHAINS = ("transforms", "predicates")
KNOWN = ("name", "worker", *PARTS, *CHAINS)
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What a file says.

    Attributes:
        name: of the whole; the connectors are NAME-source and NAME-sink unless they have names.
        worker: keys of a standalone worker.
        connectors: their configurations, sources first.
    """

    name: str
    worker: Mapping[str, str]
    connectors: tuple[Mapping[str, str], ...]


def pipeline_of(document: Document, name: str, *, where: str | None = None) -> Pipeline:
    """Return the pipeline of a parsed file.

    Args:
        document: of a TOML file, or of a properties file through `nested`.
        name: of the file, for a pipeline without a name.
        where: the file, for error texts.

    Raises:
        ConfigError: with every problem of the file's shape; keys of connectors are not looked at here.
    """
    problems = list(_misplaced(document))
    name = str(document.get("name") or name)
    if "/" in name or name.startswith("."):
        problems.append(Problem("name", name, "names a folder too: no slash, no dot at the beginning"))
    found = {part: _tables(document.get(part), part, problems) for part in PARTS}
    if not problems and not any(found.values()):
        problems.append(Problem("source", None, "the file has neither a source nor a sink"))
    if problems:
        raise ConfigError(tuple(problems), where=where)
    shared = {chain: document[chain] for chain in CHAINS if chain in document}
    owner = "source" if found["source"] else "sink"
    made: dict[str, list[dict[str, str]]] = {}
    for part, tables in found.items():
        made[part] = [
            _connector(_merged(table, shared if part == owner else {}), names)
            for table, names in zip(tables, _names(name, part, len(tables)), strict=True)
        ]
    _join(made["source"], made["sink"])
    connectors = [*made["source"], *made["sink"]]
    problems = list(_twice(connectors))
    if problems:
        raise ConfigError(tuple(problems), where=where)
    return Pipeline(name, dict(flattened(document.get("worker", {}))), tuple(connectors))


def nested(properties: Mapping[str, str]) -> dict[str, Any]:
    """Return the document of a properties file: the first part of each name is a table."""
    document: dict[str, Any] = {}
    for name, value in properties.items():
        table, dot, rest = name.partition(".")
        if not dot and name in CHAINS:
            document.setdefault(name, {})[""] = value  # transforms=a,b: the list itself
        elif not dot:
            document[name] = value
        else:
            document.setdefault(table, {})[rest] = value
    return document


def _misplaced(document: Document) -> Iterator[Problem]:
    for name, value in document.items():
        if name not in KNOWN:
            yield Problem(name, value, f"is none of {', '.join(KNOWN)}", nearest(name, KNOWN))
        elif name in ("worker", *CHAINS) and not isinstance(value, Mapping):
            yield Problem(name, value, "must be a table")


def _tables(given: Any, part: str, problems: list[Problem]) -> list[Mapping[str, Any]]:
    tables = given if isinstance(given, list) else [] if given is None else [given]
    wrong = [one for one in tables if not isinstance(one, Mapping)]
    problems += [Problem(part, one, "must be a table") for one in wrong]
    return [one for one in tables if isinstance(one, Mapping)]


def _names(name: str, part: str, count: int) -> list[str]:
    return [f"{name}-{part}"] if count == 1 else [f"{name}-{part}-{number + 1}" for number in range(count)]


def _merged(table: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part's table with the file's transforms and predicates before its own."""
    made = dict(table)
    for chain, steps in shared.items():
        own = made.get(chain, {})
        made[chain] = {**steps, **own} if isinstance(own, Mapping) else own
    return made


def _connector(table: Mapping[str, Any], name: str) -> dict[str, str]:
    made = {"name": name}
    for key, value in table.items():
        if key in CHAINS and isinstance(value, Mapping):
            listed = str(value.get("", "")) or ",".join(dict.fromkeys(one.partition(".")[0] for one in value))
            made[key] = listed
            made.update(flattened({step: keys for step, keys in value.items() if step}, f"{key}."))
        else:
            made.update(flattened({key: value}))
    return made


def _join(sources: Sequence[dict[str, str]], sinks: Sequence[dict[str, str]]) -> None:
    """Have sinks that name no topics read what the sources write."""
    topics = [one["topic"] for one in sources if one.get("topic")]
    prefixes = [one["topic.prefix"] for one in sources if one.get("topic.prefix")]
    for sink in sinks:
        if sink.get("topics") or sink.get("topics.regex"):
            continue
        if prefixes:
            patterns = [*(re.escape(topic) for topic in topics), *(f"{re.escape(one)}.*" for one in prefixes)]
            sink["topics.regex"] = "|".join(patterns)
        elif topics:
            sink["topics"] = ",".join(dict.fromkeys(topics))


def _twice(connectors: Sequence[Mapping[str, str]]) -> Iterator[Problem]:
    names = [one["name"] for one in connectors]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield Problem("name", name, "two connectors have this name")
