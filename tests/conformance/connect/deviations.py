"""What is different from the originals on purpose, and what ours gives there.

The list is in docs/compat/connect.md too.
"""

from __future__ import annotations

import copy
import enum
from typing import Any

from tests.conformance.connect.plugin_cases import DATA


class Reason(enum.Enum):
    """Why ours differs."""

    LOGICAL_NAME = "a cast value does not keep the name of the logical type that it no longer is"
    ANY_SCHEMA = "SetSchemaMetadata works on schemas of every type"
    INTERSECTION = "regular expressions with && in a class are refused"
    PATTERN = "a wrong pattern is a configuration error"
    CALENDAR = "days before October 1582 are of the Gregorian calendar too"
    MIXED = "a list of dates and numbers is not a list of dates"
    WHOLE_TEXT = "a header that only begins with a number is text, not that number"


def deviation(case: dict[str, Any], theirs: dict[str, Any]) -> tuple[Reason, dict[str, Any]] | None:
    """Return why a case differs and what ours gives; None where it must be the same."""
    for find in (_logical_name, _any_schema, _refused, _calendar, _mixed, _whole_text):
        found = find(case, theirs)
        if found is not None:
            return found
    return None


def _logical_name(case: dict[str, Any], theirs: dict[str, Any]) -> tuple[Reason, dict[str, Any]] | None:
    schema = theirs.get("value", {}).get("schema") or {}
    is_whole = case.get("class") == "Cast$Value" and ":" not in case["config"]["spec"]
    if not is_whole or not schema.get("name", "").startswith(DATA):
        return None
    made = copy.deepcopy(theirs)
    for part in ("name", "version", "parameters"):
        made["value"]["schema"].pop(part, None)
    return Reason.LOGICAL_NAME, made


def _any_schema(case: dict[str, Any], theirs: dict[str, Any]) -> tuple[Reason, dict[str, Any]] | None:
    if (
        case.get("class") != "SetSchemaMetadata$Value"
        or "error" not in theirs
        or "schema" not in case["value"]
    ):
        return None
    given = case["value"]["schema"]
    config = case["config"]
    schema: dict[str, Any] = {"type": given["type"]}
    value: dict[str, Any] = {"string": "text"}
    if "schema.name" in config:
        schema["name"] = config["schema.name"]
    if "schema.version" in config:
        schema["version"] = int(config["schema.version"])
    if given["type"] == "array":
        schema["items"] = {"type": "int32"}
        value = {"list": [{"int": 1}, {"int": 2}]}
    return Reason.ANY_SCHEMA, {
        "topic": "orders",
        "partition": 3,
        "timestamp": case.get("timestamp"),
        "key": {"schema": None, "value": None},
        "value": {"schema": schema, "value": value},
        "headers": [],
    }


def _refused(case: dict[str, Any], theirs: dict[str, Any]) -> tuple[Reason, dict[str, Any]] | None:
    config = case.get("config", {})
    if "&&" in config.get("regex", ""):
        return Reason.INTERSECTION, {"config_error": True}
    if config.get("timestamp.format") == "bad":
        return Reason.PATTERN, {"config_error": True}
    return None


def _calendar(case: dict[str, Any], theirs: dict[str, Any]) -> tuple[Reason, dict[str, Any]] | None:
    made = copy.deepcopy(theirs)
    for kind in ("int", "ms"):
        if (theirs.get("value", {}).get("value") or {}).get(kind) == -61536153600000:
            made["value"]["value"][kind] += 2 * 86_400_000
            return Reason.CALENDAR, made
    return None


def _mixed(case: dict[str, Any], theirs: dict[str, Any]) -> tuple[Reason, dict[str, Any]] | None:
    if case.get("text") != "[2020-01-02,1]":
        return None
    value = {"list": [{"ms": 1577923200000}, {"int": 1}]}
    return Reason.MIXED, {
        "typed": {"schema": {"type": "array", "items": None}, "value": value},
        "again": case["text"],
    }


def _whole_text(case: dict[str, Any], theirs: dict[str, Any]) -> tuple[Reason, dict[str, Any]] | None:
    if case["kind"] != "header" or theirs.get("again") is None:
        return None
    text = case["text"]
    if theirs["typed"]["schema"]["type"] == "string" or not any(one in text for one in ":,]"):
        return None
    if text[0] in "[{" or text.endswith("Z") or not text[0].isdigit():
        return None
    return Reason.WHOLE_TEXT, {
        "typed": {"schema": {"type": "string"}, "value": {"string": text}},
        "again": text,
    }
