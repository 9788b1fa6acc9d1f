"""A connector's transforms and their predicates, in order, made once per task.

Whatever a step raises is one record's failure: RecordFailed names the step. Batches are taken apart into
records and put together again by topic and schemas; what a step drops is simply not there any more. Imports
the api and the plugins.

Source: Kafka `org.apache.kafka.connect.runtime.{TransformationChain, PredicatedTransformation}`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tidelock.connect.api import (
    ConnectError,
    Header,
    Predicate,
    Record,
    RecordBatch,
    RetriableError,
    Schema,
    Transform,
)
from tidelock.connect.runtime.failures import RecordFailed, Skipped, Stage
from tidelock.connect.runtime.plugins import PYTHON, Plugins

OWN_KEYS = ("type", "predicate", "negate")


@dataclass(frozen=True, slots=True)
class Step:
    """One transform, and when it applies.

    Attributes:
        name: class name, for errors.
        negate: whether it applies where the predicate does not hold.
    """

    name: str
    transform: Transform
    predicate: Predicate | None = None
    negate: bool = False


class FunctionTransform(Transform):
    """A Python function as a transform."""

    def __init__(self, function: Callable[[Record], Record | None]) -> None:
        self._function = function

    def apply(self, record: Record) -> Record | None:
        """See Transform."""
        made = self._function(record)
        if made is not None and not isinstance(made, Record):
            raise ConnectError(f"the function returned {type(made).__name__}, not a Record or None")
        return made


class Chain:
    """The steps of one task."""

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        self.steps = tuple(steps)

    def __bool__(self) -> bool:
        return bool(self.steps)

    def apply(self, record: Record) -> Record | None:
        """Return what becomes of a record; None where a step drops it.

        Raises:
            RecordFailed: a step cannot take it.
            RetriableError: a step may take it later.
        """
        for step in self.steps:
            try:
                if step.predicate is not None and step.predicate.test(record) is step.negate:
                    continue
                made = step.transform.apply(record)
            except RetriableError:
                raise
            except Exception as error:  # whatever it is, it is this record's; errors.tolerance decides
                raise RecordFailed(Stage.TRANSFORMATION, step.name, error) from error
            if made is None:
                return None
            record = made
        return record

    def apply_batch(self, batch: RecordBatch) -> RecordBatch | None:
        """Return what becomes of a batch where every step can do it in columns, and none fails.

        None: the records are to go one by one.
        """
        for step in self.steps:
            if step.predicate is not None:
                return None
            made = None
            with contextlib.suppress(Exception):  # records go one by one then; the one at fault fails again
                made = step.transform.apply_batch(batch)
            if made is None:
                return None
            batch = made
        return batch

    def close(self) -> None:
        """Close every step."""
        for step in self.steps:
            step.transform.close()
            if step.predicate is not None:
                step.predicate.close()


def keys_under(config: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Return the keys that begin with a prefix, without it."""
    return {name[len(prefix) :]: value for name, value in config.items() if name.startswith(prefix)}


def aliases(config: Mapping[str, str], name: str) -> list[str]:
    """Return the names that `transforms` or `predicates` lists."""
    return [one.strip() for one in (config.get(name) or "").split(",") if one.strip()]


def new_transform(plugins: Plugins, name: str) -> Transform:
    """Make a transform from its class name, or from `python:module:function`.

    Raises:
        PluginNotFound: there is none of that name.
        ConnectError: what is named is neither.
    """
    found = plugins.transform(name).load()
    if isinstance(found, type) and issubclass(found, Transform):
        return found()
    if name.startswith(PYTHON) and callable(found):
        return FunctionTransform(found)
    raise ConnectError(f"{name} is no transform", hint="derive it from Transform, or name a python: function")


def new_predicate(plugins: Plugins, name: str) -> Predicate:
    """Make a predicate from its class name; PluginNotFound or ConnectError as for `new_transform`."""
    found = plugins.predicate(name).load()
    if isinstance(found, type) and issubclass(found, Predicate):
        return found()
    raise ConnectError(f"{name} is no predicate", hint="derive it from Predicate")


def build_chain(plugins: Plugins, config: Mapping[str, str]) -> Chain:
    """Return the chain of a connector's configuration, which was validated before."""
    steps = []
    for alias in aliases(config, "transforms"):
        given = keys_under(config, f"transforms.{alias}.")
        transform = new_transform(plugins, given["type"])
        transform.configure(given)
        predicate = None
        if named := given.get("predicate"):
            wanted = keys_under(config, f"predicates.{named}.")
            predicate = new_predicate(plugins, wanted["type"])
            predicate.configure(wanted)
        negate = given.get("negate", "false").strip().lower() == "true"
        steps.append(Step(given["type"], transform, predicate, negate))
    return Chain(steps)


def transformed(
    apply: Callable[[Record], Record | None], batch: RecordBatch, on_failure: Callable[[Skipped], None]
) -> Iterator[RecordBatch]:
    """Yield the batches that a chain makes of one; consecutive records share topic and schemas.

    Args:
        apply: the chain's.
        batch: from the converters.
        on_failure: told of a record that cannot be transformed; it may raise.
    """
    kept: list[tuple[int, Record]] = []
    for index, one in enumerate(batch):
        record = Record(
            topic=one.topic,
            partition=one.partition,
            key=one.key,
            key_schema=one.key_schema,
            value=one.value,
            value_schema=one.value_schema,
            timestamp=one.timestamp,
            headers=one.headers,
            offset=one.offset,
        )
        try:
            made = apply(record)
        except RecordFailed as failed:
            failed.index = index
            on_failure(Skipped(batch.topic_partition, one.offset, failed))
            continue
        if made is None:
            continue
        if kept and not _belongs(kept[-1][1], made):
            yield _batch_of(batch, kept)
            kept = []
        kept.append((batch.offsets[index], made))
    if kept:
        yield _batch_of(batch, kept)


def _belongs(last: Record, new: Record) -> bool:
    return (
        last.topic == new.topic
        and _same(last.key_schema, new.key_schema)
        and _same(last.value_schema, new.value_schema)
    )


def _same(one: Schema | None, other: Schema | None) -> bool:
    return one is other or one == other


def _batch_of(batch: RecordBatch, kept: Sequence[tuple[int, Record]]) -> RecordBatch:
    records = [record for _, record in kept]
    first = records[0]
    headers: list[Sequence[Header]] | None = [record.headers for record in records]
    return RecordBatch(
        topic=first.topic,
        partition=batch.partition,
        offsets=[offset for offset, _ in kept],
        keys=[record.key for record in records],
        values=[record.value for record in records],
        key_schema=first.key_schema,
        value_schema=first.value_schema,
        timestamps=[record.timestamp for record in records],
        headers=headers if any(record.headers for record in records) else None,
        origin=batch.topic_partition,
    )
