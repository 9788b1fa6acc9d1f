"""The TIDELOCK_* variables, and a word about names that look like one of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

PREFIX = "TIDELOCK_"
KNOWN = ("BOOTSTRAP", "CONNECT_URL", "DATA", "HTTP_CONFIG", "REGISTRY_URL")
SERVICES = "SERVICES"
"""Addresses of a service without a registry: TIDELOCK_SERVICES_ORDER_SERVICE."""


def misspelt(names: Iterable[str]) -> Iterator[str]:
    """Yield a line for each variable that nobody reads and that is close to one that somebody does.

    Others say nothing: they may be anybody's.
    """
    for name in names:
        rest = name.removeprefix(PREFIX)
        if rest == name or rest in KNOWN or rest.startswith(f"{SERVICES}_"):
            continue
        near = _nearest(rest)
        if near is not None:
            yield f"nobody reads the variable {name}; did you mean {PREFIX}{near}?"


def _nearest(rest: str) -> str | None:
    from tidelock.config import nearest  # start-up time counts, and this is the rare way

    longer = [one for one in KNOWN if one.startswith(f"{rest}_") or rest.startswith(f"{one}_")]
    word, _, service = rest.partition("_")
    if service and nearest(word, (SERVICES,)):
        return f"{SERVICES}_{service}"
    return longer[0] if len(longer) == 1 else nearest(rest, KNOWN)
