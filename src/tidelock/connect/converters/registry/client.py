"""A client of the schema registry's REST interface: blocking, one connection per request, answers kept.

A schema's id never means anything else, so what is read by id, and where a schema was registered, is kept for
the task's life. Addresses are tried in turn; a registry that is away is a RetriableError. Uses the standard
library's HTTP client: a task asks once per schema, not per record.

Source: Confluent `io.confluent.kafka.schemaregistry.client.rest.RestService`, Schema Registry API reference.
"""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from tidelock.connect.converters.registry.errors import RegistryRefused, RegistryUnreachable, SchemaRefused
from tidelock.connect.converters.registry.settings import RegistrySettings

T = TypeVar("T")
CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
AVRO = "AVRO"
NOT_THERE = {40401, 40402, 40403}  # subject, version, schema
_UNREGISTERED: dict[int, SchemaText] = {}  # below 0; what a dry run's source wrote, its sink reads


@dataclass(frozen=True, slots=True)
class Reference:
    """A schema that another one names."""

    name: str
    subject: str
    version: int

    def as_json(self) -> dict[str, Any]:
        """Return what the registry wants."""
        return {"name": self.name, "subject": self.subject, "version": self.version}


@dataclass(frozen=True, slots=True)
class SchemaText:
    """A schema as the registry has it.

    Attributes:
        text: in the words of its kind.
        kind: AVRO, JSON or PROTOBUF.
        references: the schemas that it names.
    """

    text: str
    kind: str = AVRO
    references: tuple[Reference, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return what the registry wants; AVRO goes without saying, for old ones."""
        made: dict[str, Any] = {"schema": self.text}
        if self.kind != AVRO:
            made["schemaType"] = self.kind
        if self.references:
            made["references"] = [one.as_json() for one in self.references]
        return made

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> SchemaText:
        """Read the registry's answer; KeyError and TypeError where it is none."""
        references = tuple(
            Reference(str(one["name"]), str(one["subject"]), int(one["version"]))
            for one in given.get("references") or ()
        )
        return cls(str(given["schema"]), str(given.get("schemaType") or AVRO), references)


@dataclass(frozen=True, slots=True)
class Registered:
    """A schema under a subject."""

    id: int
    version: int | None
    schema: SchemaText


class SchemaRegistry:
    """Asks one registry.

    Args:
        settings: where it is, and how to be let in.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._urls = [_without_user(url) for url in settings.schema_registry_url]
        self._headers = {"Accept": f"{CONTENT_TYPE}, application/json", "Content-Type": CONTENT_TYPE}
        if authorization := _authorization(settings):
            self._headers["Authorization"] = authorization
        self._context: ssl.SSLContext | None = None
        if settings.ssl_ca_location:
            self._context = ssl.create_default_context(cafile=settings.ssl_ca_location)
        self._by_id: dict[int, SchemaText] = {}
        self._registered: dict[tuple[str, SchemaText], Registered] = {}
        self._suffix = "?normalize=true" if settings.normalize_schemas else ""

    def by_id(self, number: int) -> SchemaText:
        """Return the schema of an id; SchemaRefused where there is none."""
        if self._settings.dry_run and number in _UNREGISTERED:
            return _UNREGISTERED[number]
        if number not in self._by_id:
            found = self._ask("GET", f"/schemas/ids/{number}")
            self._by_id[number] = self._read(SchemaText.from_json, found)
        return self._by_id[number]

    def referred(self, reference: Reference) -> SchemaText:
        """Return the schema that a reference names."""
        path = f"/subjects/{_quoted(reference.subject)}/versions/{reference.version}"
        return self._read(SchemaText.from_json, self._ask("GET", path))

    def register(self, subject: str, schema: SchemaText) -> Registered:
        """Return the id of a schema under a subject, which has it afterwards.

        Raises:
            SchemaRefused: it is not compatible with the subject's schemas, or no schema.
        """
        if (subject, schema) not in self._registered:
            if self._settings.dry_run:
                found = self._tried(subject, schema)
            else:
                path = f"/subjects/{_quoted(subject)}/versions{self._suffix}"
                answer = self._ask("POST", path, schema.as_json())
                found = Registered(self._read(_id, answer), None, schema)
            self._registered[subject, schema] = found
        return self._registered[subject, schema]

    def lookup(self, subject: str, schema: SchemaText) -> Registered:
        """Return where a subject has a schema.

        Raises:
            SchemaRefused: it has not.
        """
        path = f"/subjects/{_quoted(subject)}{self._suffix}"
        answer = self._ask("POST", path, schema.as_json())
        return Registered(self._read(_id, answer), self._read(_version, answer), schema)

    def latest(self, subject: str) -> Registered:
        """Return a subject's latest schema; SchemaRefused where it has none."""
        answer = self._ask("GET", f"/subjects/{_quoted(subject)}/versions/latest")
        schema = self._read(SchemaText.from_json, answer)
        return Registered(self._read(_id, answer), self._read(_version, answer), schema)

    def require_compatible(self, subject: str, schema: SchemaText, version: int | None = None) -> None:
        """Raise SchemaRefused unless a schema could follow a version of a subject, by default its latest."""
        named = "latest" if version is None else version
        path = f"/compatibility/subjects/{_quoted(subject)}/versions/{named}?verbose=true"
        answer = self._ask("POST", path, schema.as_json())
        if not answer.get("is_compatible"):
            told = "; ".join(str(one) for one in answer.get("messages") or ())
            raise SchemaRefused(
                f"the schema is not compatible with {_version_text(version)} of subject {subject!r}",
                where=told or None,
                hint="change the records, or the subject's compatibility in the registry",
            )

    def _tried(self, subject: str, schema: SchemaText) -> Registered:
        """Do what `register` would do, without it."""
        try:
            return self.lookup(subject, schema)
        except SchemaRefused:
            try:
                self.latest(subject)
            except SchemaRefused:
                return _unregistered(schema)  # a new subject takes everything
            self.require_compatible(subject, schema)
        return _unregistered(schema)

    def _read(self, read: Callable[[Any], T], answer: Any) -> T:
        try:
            return read(answer)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RegistryRefused(
                f"the answer is not a schema registry's: {error!r}",
                where=self._urls[0],
                hint="see that schema.registry.url is the root of its REST interface",
            ) from error

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        failures = []
        for url in self._urls:
            try:
                return self._request(method, url + path, body)
            except RegistryUnreachable as error:
                failures.append(error)
        raise failures[0]

    def _request(self, method: str, url: str, body: Mapping[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, self._headers, method=method)
        timeout = max(self._settings.http_connect_timeout_ms, self._settings.http_read_timeout_ms) / 1000
        try:
            with urllib.request.urlopen(request, timeout=timeout, context=self._context) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise _refused(error.code, error.read(), url) from None
        except (OSError, ValueError) as error:
            why = getattr(error, "reason", error)
            raise RegistryUnreachable(
                f"the schema registry does not answer: {why}",
                where=url,
                hint="see that it runs and that schema.registry.url is right",
            ) from error


def _unregistered(schema: SchemaText) -> Registered:
    number = next((one for one, known in _UNREGISTERED.items() if known == schema), -1 - len(_UNREGISTERED))
    _UNREGISTERED[number] = schema
    return Registered(number, None, schema)


def _refused(status: int, body: bytes, url: str) -> RegistryUnreachable | RegistryRefused | SchemaRefused:
    try:
        told = json.loads(body)
        code, text = int(told.get("error_code", status)), str(told.get("message", ""))
    except (ValueError, AttributeError, TypeError):
        code, text = status, body[:200].decode("utf-8", "replace")
    text = text.strip().partition("\n")[0] or f"status {status}"
    if status in (401, 403):
        hint = "set basic.auth.credentials.source=USER_INFO and basic.auth.user.info=USER:PASSWORD"
        return RegistryRefused(f"the schema registry does not let us in: {text}", where=url, hint=hint)
    if status >= 500:
        return RegistryUnreachable(f"the schema registry fails: {text} (error {code})", where=url)
    if code in NOT_THERE:
        hint = "register the schema, or set auto.register.schemas=true where records are written"
        return SchemaRefused(f"the schema registry has no such schema: {text}", where=url, hint=hint)
    if status in (409, 422):
        hint = "change the records, or the subject's compatibility in the registry"
        return SchemaRefused(f"the schema registry refuses the schema: {text}", where=url, hint=hint)
    return RegistryRefused(
        f"the schema registry refuses the request: {text} (error {code})",
        where=url,
        hint="see that schema.registry.url is the root of its REST interface",
    )


def _id(answer: Mapping[str, Any]) -> int:
    return int(answer["id"])


def _version_text(version: int | None) -> str:
    return "the latest" if version is None else f"version {version}"


def _version(answer: Mapping[str, Any]) -> int | None:
    version = answer.get("version")
    return None if version is None else int(version)


def _quoted(subject: str) -> str:
    return quote(subject, safe="")


def _without_user(url: str) -> str:
    parts = urlsplit(url.rstrip("/"))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _authorization(settings: RegistrySettings) -> str | None:
    if settings.bearer_auth_credentials_source:
        return f"Bearer {settings.bearer_auth_token.reveal()}"
    info = settings.basic_auth_user_info.reveal()
    if settings.basic_auth_credentials_source == "URL":
        info = _user_in(settings.schema_registry_url)
    return f"Basic {base64.b64encode(info.encode()).decode()}" if info else None


def _user_in(urls: Sequence[str]) -> str:
    for url in urls:
        user, at, _ = urlsplit(url).netloc.rpartition("@")
        if at:
            return unquote(user)
    return ""
