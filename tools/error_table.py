"""The text of protocol/error_codes.py: one exception class for each of Kafka's error codes.

The table tools/schemas/error_codes.tsv holds the facts.
Source: Java class `org.apache.kafka.common.protocol.Errors`.
"""

from __future__ import annotations

from pathlib import Path

TABLE = Path(__file__).parent / "schemas" / "error_codes.tsv"
TOP = '''"""Kafka's error codes: an enum, and one exception class for each, named as in Kafka.

    KafkaError                 error_code, error_name, retriable, stale_metadata
    |- OffsetOutOfRange        1
    |- CorruptMessage          2, retriable
    |- ...

Rules raise these where a response carries the code; `error_for(code)` is the way back. RecordTooLarge is
Kafka's own second word (its exception class) for MessageTooLarge. Imports only tidelock.errors.
Source: Java class `org.apache.kafka.common.protocol.Errors`.
"""

from __future__ import annotations

import enum
from typing import ClassVar

from tidelock.errors import TidelockError


class KafkaError(TidelockError):
    """An outcome that a Kafka response carries as an error code.

    Args:
        what: what happened; the code's name where nothing more is known. May travel in `error_message`.
        where: the topic, partition, group or key it happened at.
        hint: what to do about it.
    """

    code = "TID-210"
    error_code: ClassVar[int] = -1
    error_name: ClassVar[str] = "UNKNOWN_SERVER_ERROR"
    stale_metadata: ClassVar[bool] = False

    def __init__(self, what: str | None = None, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what or self.error_name, where=where, hint=hint)
'''
# What a command line answers with; the exit codes of tidelock.errors. Everything else is 1.
EXIT_CODES = {
    2: "INVALID_TOPIC_EXCEPTION INVALID_PARTITIONS INVALID_REPLICATION_FACTOR INVALID_REPLICA_ASSIGNMENT"
    " INVALID_CONFIG INVALID_REQUEST INVALID_GROUP_ID MESSAGE_TOO_LARGE RECORD_LIST_TOO_LARGE INVALID_RECORD",
    3: "REQUEST_TIMED_OUT BROKER_NOT_AVAILABLE COORDINATOR_NOT_AVAILABLE LEADER_NOT_AVAILABLE"
    " NETWORK_EXCEPTION",
    4: "UNKNOWN_TOPIC_OR_PARTITION UNKNOWN_TOPIC_ID GROUP_ID_NOT_FOUND TRANSACTIONAL_ID_NOT_FOUND"
    " RESOURCE_NOT_FOUND",
    5: "TOPIC_AUTHORIZATION_FAILED GROUP_AUTHORIZATION_FAILED CLUSTER_AUTHORIZATION_FAILED"
    " TRANSACTIONAL_ID_AUTHORIZATION_FAILED SASL_AUTHENTICATION_FAILED POLICY_VIOLATION"
    " TOPIC_DELETION_DISABLED SECURITY_DISABLED",
    6: "TOPIC_ALREADY_EXISTS NON_EMPTY_GROUP GROUP_SUBSCRIBED_TO_TOPIC DUPLICATE_RESOURCE",
}
EXITS = {name: code for code, names in EXIT_CODES.items() for name in names.split()}
BOTTOM = '''def error_for(code: int, what: str | None = None, *, where: str | None = None) -> KafkaError:
    """Return the exception of an error code; an unknown code makes an UnknownServerError that says so."""
    found = BY_CODE.get(code)
    if found is None:
        what = what or f"the broker answered with the unknown error code {code}"
        return UnknownServerError(what, where=where)
    return found(what, where=where)
'''


def class_name(name: str) -> str:
    """OFFSET_OUT_OF_RANGE -> OffsetOutOfRange."""
    return "".join(part.capitalize() for part in name.removesuffix("_EXCEPTION").split("_"))


def text(head: str) -> str:
    """Return the module."""
    rows = [line.split("\t") for line in TABLE.read_text().splitlines() if not line.startswith("#")]
    classes, entries, names = [], [], []
    for code, name, retriable, stale in rows:
        names.append(f"    {name} = {code}")
        if name == "NONE":
            continue
        lines = [
            f"class {class_name(name)}(KafkaError):",
            f'    """{name}."""',
            "",
            f"    error_code = {code}",
        ]
        lines.append(f'    error_name = "{name}"')
        lines += ["    retriable = True"] if retriable == "yes" else []
        lines += ["    stale_metadata = True"] if stale == "yes" else []
        lines += [f"    exit_code = {EXITS[name]}"] if name in EXITS else []
        classes.append("\n".join(lines))
        entries.append(f"    {code}: {class_name(name)},")
    enum_text = "\n".join(['class ErrorCode(enum.IntEnum):\n    """The codes by name."""\n', *names])
    by_code = "\n".join(["BY_CODE: dict[int, type[KafkaError]] = {", *entries, "}"])
    alias = "RecordTooLarge = MessageTooLarge"
    return (
        head + "\n" + "\n\n\n".join([TOP.rstrip("\n"), enum_text, *classes, f"{alias}\n\n{by_code}", BOTTOM])
    )
