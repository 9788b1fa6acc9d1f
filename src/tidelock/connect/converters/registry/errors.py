"""What can go wrong with a schema registry.

RegistryUnreachable(RetriableError)    TID-514  nobody answers, or answers with 5xx
RegistryRefused(ConnectError)          TID-515  not allowed, or not understood
SchemaRefused(DataError)               TID-516  no such schema, or not compatible: the record's fault
"""

from __future__ import annotations

from tidelock.connect.api import ConnectError, DataError, RetriableError


class RegistryUnreachable(RetriableError):
    """The schema registry does not answer, or not with an answer; trying again may help."""

    code = "TID-514"


class RegistryRefused(ConnectError):
    """The schema registry does not let us in, or does not understand us."""

    code = "TID-515"


class SchemaRefused(DataError):
    """The schema registry has not got a schema, or does not take one: the record cannot pass."""

    code = "TID-516"
