"""The login line of a Java client, `sasl.jaas.config`, as librdkafka's keys.

    org.apache.kafka.common.security.plain.PlainLoginModule required username="a" password="b";

Pure. Source: Java class `org.apache.kafka.common.security.JaasConfig`; KIP-85.
"""

from __future__ import annotations

import re

_LINE = re.compile(
    r"\s*(?P<module>[\w.$]+)\s+(?P<flag>\w+)(?P<options>[^;]*(?:\"(?:[^\"\\]|\\.)*\"[^;]*)*);\s*$"
)
_OPTION = re.compile(r"\s+([\w.]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'|([^\s\"';]+))")
_FLAGS = ("required", "requisite", "sufficient", "optional")
_LOGIN = {"username": "sasl.username", "password": "sasl.password"}
_OPTIONS: dict[str, dict[str, str]] = {
    "PlainLoginModule": _LOGIN,
    "ScramLoginModule": _LOGIN,
    "OAuthBearerLoginModule": {
        "clientId": "sasl.oauthbearer.client.id",
        "clientSecret": "sasl.oauthbearer.client.secret",
        "scope": "sasl.oauthbearer.scope",
    },
    "Krb5LoginModule": {
        "keyTab": "sasl.kerberos.keytab",
        "principal": "sasl.kerberos.principal",
        "serviceName": "sasl.kerberos.service.name",
    },
}
MECHANISMS = {
    "PlainLoginModule": "PLAIN",
    "OAuthBearerLoginModule": "OAUTHBEARER",
    "Krb5LoginModule": "GSSAPI",
}


def parse_jaas(text: str) -> tuple[str, dict[str, str]]:
    """Return the login module's short name and librdkafka's keys for its options; others are left out.

    Raises:
        ValueError: not one such line; the text never shows a value.
    """
    line = _LINE.match(text)
    if line is None:
        raise ValueError('is not of the form: MODULE required name="value" ...;')
    if line["flag"].lower() not in _FLAGS:
        raise ValueError(f"has the control flag {line['flag']!r}, which is none of {', '.join(_FLAGS)}")
    module = line["module"].rpartition(".")[2]
    known = _OPTIONS.get(module)
    if known is None:
        raise ValueError(f"names the login module {module}; known are {', '.join(_OPTIONS)}")
    found: dict[str, str] = {}
    rest = line["options"]
    while rest.strip():
        option = _OPTION.match(rest)
        if option is None:
            raise ValueError(f'has something behind {len(found)} options that is not name="value"')
        name, double, single, bare = option.groups()
        value = (
            bare if bare is not None else re.sub(r"\\(.)", r"\1", double if double is not None else single)
        )
        if name in known:
            found[known[name]] = value
        rest = rest[option.end() :]
    return module, found
