r"""Configuration providers: `${provider:path:key}` in a configuration stands for a value kept elsewhere.

References stay in what is stored and shown; they are resolved when a configuration is checked, when a
connector starts, and in each task's own process. What a connector made of a resolved value for its tasks is
turned back into the reference. A reference to a provider that nobody configured is plain text, as in Kafka; a
key that a provider has not got is an error. Reads files and the environment only through its arguments' paths
and tidelock.runtime.

Source: Kafka `org.apache.kafka.common.config.{ConfigTransformer, provider.*}`, KIP-297, KIP-421, KIP-887.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tidelock.config import UNKNOWN_KEY, ConfigError, Problem, nearest
from tidelock.properties import PropertiesError, load_properties
from tidelock.runtime import environment

REFERENCE = re.compile(r"\$\{([^}:]*):(?:([^}]*?):)?([^}]*?)\}")
PREFIX = "config.providers"
Read = Callable[[str, str], str]
"""Gives the value of a path and a key; LookupError says why there is none."""


@dataclass(frozen=True, slots=True)
class Providers:
    """The providers of a worker.

    Args:
        readers: provider's name -> how it reads.
    """

    readers: Mapping[str, Read] = field(default_factory=dict)

    @classmethod
    def of(cls, worker: Mapping[str, str]) -> Providers:
        """Return what the worker's `config.providers` names.

        Raises:
            ConfigError: a class that is none of Kafka's three, or a key that means nothing. Kafka takes such
                keys without a word, but most of them are restrictions: misspelt, they would restrict nothing.
        """
        readers: dict[str, Read] = {}
        names = [one.strip() for one in worker.get(PREFIX, "").split(",") if one.strip()]
        problems = list(_meaningless(worker, names))
        for name in names:
            key = f"{PREFIX}.{name}.class"
            params = {
                one.removeprefix(f"{PREFIX}.{name}.param."): value
                for one, value in worker.items()
                if one.startswith(f"{PREFIX}.{name}.param.")
            }
            given = worker.get(key, "")
            make = CLASSES.get(given.rpartition(".")[2])
            if make is None:
                why = f"is none of {', '.join(CLASSES)}"
                problems.append(Problem(key, given or None, why if given else "is required"))
            else:
                readers[name] = make(params)
        if problems:
            raise ConfigError(tuple(problems))
        return cls(readers)

    def resolved(self, config: Mapping[str, str]) -> dict[str, str]:
        """Return a configuration with values in place of references.

        Raises:
            ConfigError: with every reference that leads nowhere; it names them, never a value.
        """
        if not self.readers:
            return dict(config)
        problems: list[Problem] = []
        made = {}
        for name, text in config.items():
            try:
                made[name] = REFERENCE.sub(self._value, text)
            except LookupError as error:
                problems.append(Problem(name, text, str(error.args[0])))
        if problems:
            raise ConfigError(tuple(problems))
        return made

    def _value(self, found: re.Match[str]) -> str:
        read = self.readers.get(found.group(1))
        return found.group() if read is None else read(found.group(2) or "", found.group(3))


def restored(made: Mapping[str, str], raw: Mapping[str, str], resolved: Mapping[str, str]) -> dict[str, str]:
    """Return a task's configuration with the references that its values came from."""
    return {
        name: raw[name] if name in raw and resolved.get(name) == value else value
        for name, value in made.items()
    }


def without_values(text: str, raw: Mapping[str, str], resolved: Mapping[str, str]) -> str:
    """Return an error's text with references in place of the values that they stand for."""
    changed = [(value, raw[name]) for name, value in resolved.items() if value and raw.get(name) != value]
    for value, reference in sorted(changed, key=lambda one: -len(one[0])):
        text = text.replace(value, reference)
    return text


def _allowed(params: Mapping[str, str]) -> Callable[[str], Path]:
    """Return a check of paths: they must lie in one of `allowed.paths`, where there are any."""
    roots = [Path(one.strip()).resolve() for one in params.get("allowed.paths", "").split(",") if one.strip()]

    def check(text: str) -> Path:
        path = Path(text).resolve()
        if not text or (roots and not any(path.is_relative_to(root) for root in roots)):
            raise LookupError(
                f"{text or 'an empty path'} is not in allowed.paths" if roots else "has no path"
            )
        return path

    return check


def _file(params: Mapping[str, str]) -> Read:
    check = _allowed(params)

    def read(path: str, key: str) -> str:
        try:
            return load_properties(check(path))[key]
        except KeyError:
            raise LookupError(f"{path} has no key {key}") from None
        except PropertiesError as error:
            raise LookupError(f"{error.what} ({path})") from None

    return read


def _directory(params: Mapping[str, str]) -> Read:
    check = _allowed(params)

    def read(path: str, key: str) -> str:
        folder = check(path)
        file = (folder / key).resolve()
        if not key or not file.is_relative_to(folder):
            raise LookupError(f"{key} is no file in {path}")
        try:
            return file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise LookupError(f"cannot read {key} in {path}: {type(error).__name__}") from None

    return read


def _environment(params: Mapping[str, str]) -> Read:
    allowed = re.compile(params.get("allowlist.pattern") or ".*")

    def read(path: str, key: str) -> str:
        if not allowed.fullmatch(key):
            raise LookupError(f"{key} does not match allowlist.pattern")
        found = environment().get(key)
        if found is None:
            raise LookupError(f"the environment has no {key}")
        return found

    return read


def _meaningless(worker: Mapping[str, str], names: Sequence[str]) -> Iterator[Problem]:
    """Yield the keys of providers that nobody reads, each with the nearest one that somebody does."""
    known = set()
    for name in names:
        prefix = f"{PREFIX}.{name}."
        kind = worker.get(f"{prefix}class", "").rpartition(".")[2]
        known |= {f"{prefix}class", *(f"{prefix}param.{one}" for one in PARAMETERS.get(kind, ()))}
        if kind not in PARAMETERS:  # told at its class
            known |= {one for one in worker if one.startswith(f"{prefix}param.")}
    for key in worker:
        if key.startswith(f"{PREFIX}.") and key not in known:
            yield Problem(key, None, UNKNOWN_KEY, nearest(key, tuple(known)))


PARAMETERS = {
    "FileConfigProvider": ("allowed.paths",),
    "DirectoryConfigProvider": ("allowed.paths",),
    "EnvVarConfigProvider": ("allowlist.pattern",),
}
CLASSES: dict[str, Callable[[Mapping[str, str]], Read]] = {
    "FileConfigProvider": _file,
    "DirectoryConfigProvider": _directory,
    "EnvVarConfigProvider": _environment,
}
