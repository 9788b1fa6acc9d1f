"""Signed requests between the workers: keys that the leader makes, and the two headers. Pure.

Whoever may write the config topic knows the key; a request that carries a signature made with it comes from a
worker. The leader makes a new key when the old one has had its time.

Source: KIP-507; Kafka `runtime.rest.InternalRequestSignature`, `runtime.distributed.DistributedHerder`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import ClassVar

from tidelock.connect.distributed.config_state import SessionKey
from tidelock.connect.distributed.group_protocol import SESSIONED
from tidelock.errors import RefusedError, UsageError

SINCE = SESSIONED
"""Protocol version from which on requests between workers are signed."""
SIGNATURE, ALGORITHM = "X-Connect-Authorization", "X-Connect-Request-Signature-Algorithm"
HASHES = {"HmacSHA256": hashlib.sha256, "HmacSHA384": hashlib.sha384, "HmacSHA512": hashlib.sha512}


class UnsignedRequest(UsageError):
    """An internal request carries no signature, or one of an algorithm that is not allowed here: 400."""

    code = "TID-541"
    status: ClassVar[int] = 400


class BadSignature(RefusedError):
    """The signature of an internal request was made with another key: 403."""

    code = "TID-542"
    status: ClassVar[int] = 403


class NoSessionKey(RefusedError):
    """This worker has not read the session key yet: 503, and the sender tries again."""

    code = "TID-543"
    status: ClassVar[int] = 503
    retriable = True


def is_due(key: SessionKey | None, now_ms: int, ttl_ms: int) -> bool:
    """Whether the leader should make a new key; a time to live of 0 is for ever."""
    return key is None or (ttl_ms > 0 and now_ms >= key.created + ttl_ms)


def signed(key: SessionKey, body: bytes, algorithm: str) -> dict[str, str]:
    """Return the headers of a request with this body."""
    made = base64.b64encode(_sign(key, body, algorithm)).decode()
    return {SIGNATURE: made, ALGORITHM: algorithm}


def verify(key: SessionKey | None, body: bytes, headers: Mapping[str, str], allowed: Sequence[str]) -> None:
    """Return if a request comes from a worker.

    Args:
        key: None while it has not been read.
        body: of the request.
        headers: by name in lower case.
        allowed: algorithms.

    Raises:
        UnsignedRequest, BadSignature, NoSessionKey: see there.
    """
    given, algorithm = headers.get(SIGNATURE.lower()), headers.get(ALGORITHM.lower())
    if given is None or algorithm is None:
        raise UnsignedRequest("Internal request missing required signature")
    if algorithm not in allowed or algorithm not in HASHES:
        raise UnsignedRequest(f"This worker does not support the {algorithm} request signing algorithm")
    if key is None:
        raise NoSessionKey("This worker is still starting up and has not been able to read a session key yet")
    try:
        found = base64.b64decode(given, validate=True)
    except binascii.Error:
        raise UnsignedRequest("The signature of an internal request is no base64") from None
    if not hmac.compare_digest(found, _sign(key, body, algorithm)):
        raise BadSignature("Internal request contained invalid signature.")


def _sign(key: SessionKey, body: bytes, algorithm: str) -> bytes:
    return hmac.new(key.secret, body, HASHES[algorithm]).digest()
