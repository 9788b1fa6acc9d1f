"""What of a connector's configuration may be shown: one rule for REST, validation and `connect apply`.

A value is a secret when its key is typed so (PASSWORD) or named so, under any prefix: clients' overrides,
converters' and transforms' own keys. In every other value only the password of an address is hidden. What is
shown can be sent back: `restored` puts the secrets in again wherever the value is still the one that was
shown. Imports nothing of the house: the command line starts with it.

Source: Kafka `org.apache.kafka.common.config.types.Password`; Connect itself shows configurations in clear.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping

HIDDEN = "[hidden]"

_SECRET_NAME = re.compile(
    r"passw|passphrase|secret|jaas|credentials?(\.json)?$|private\.?key|api\.?key|token$"
    r"|ssl\.keystore\.key$|ssl\.key\.pem$|auth\.user\.info$|user\.info$",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"\$\{[^}:]+:[^}]*\}")  # to a configuration provider: names the secret, is none
_PLUGIN_ALIAS = re.compile(r"^(transforms|predicates)\.[^.]*\.")  # the alias is a name that the user chose
_USERINFO = re.compile(r"(//[^\s/?#:@]*:)\S*@")  # up to the last @: a password may hold any of :/?#@
_THIN = re.compile(r"(:thin:[^\s/@]*/)\S*@")  # Oracle's user/password@host
_PARAMETER = re.compile(
    r"([?&;](?:password|passwd|pwd|sslpassword|secret|token|[\w.]*password)=)[^&;\s]*", re.IGNORECASE
)


def is_secret(name: str, typed: Container[str] = ()) -> bool:
    """Whether the whole value of a key is a secret; `typed` are the names that a plugin declares so."""
    return name in typed or _SECRET_NAME.search(_PLUGIN_ALIAS.sub("", name)) is not None


def shown_value(name: str, value: str, typed: Container[str] = ()) -> str:
    """Return the value of a key as it may be shown."""
    if _REFERENCE.fullmatch(value):
        return value
    if is_secret(name, typed):
        return HIDDEN
    for pattern in (_USERINFO, _THIN):
        value = pattern.sub(rf"\1{HIDDEN}@", value)
    return _PARAMETER.sub(rf"\1{HIDDEN}", value)


def shown(config: Mapping[str, str], typed: Container[str] = ()) -> dict[str, str]:
    """Return a configuration as it may be shown."""
    return {name: shown_value(name, value, typed) for name, value in config.items()}


def restored(
    given: Mapping[str, str | None], old: Mapping[str, str], typed: Container[str] = ()
) -> dict[str, str | None]:
    """Return a configuration with the secrets that its sender saw hidden and sent back as they were shown."""
    visible = shown(old, typed)
    return {
        name: old[name] if name in old and value == visible[name] else value for name, value in given.items()
    }


def still_hidden(config: Mapping[str, str | None]) -> list[str]:
    """Return the keys whose secret is the placeholder itself: nobody can log in with that."""
    return [
        name
        for name, value in config.items()
        if value == HIDDEN or re.search(rf"[:/]{re.escape(HIDDEN)}@", value or "")
    ]
