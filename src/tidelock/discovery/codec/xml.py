"""Eureka's XML: what clients get that do not ask for JSON. No IO.

The full form is XStream's: two spaces of indent, metadata keys escaped into element names (`a_b` becomes
`a__b`). The compact form is Jackson's: one line, no such escape. Reading refuses DOCTYPE, so no entity can
expand or fetch anything. A key or text that XML cannot carry is escaped or replaced, so that one instance's
metadata never breaks the document for everybody. May import `fields`.

Source: Netflix `Converters`, `XmlXStream`, `EurekaXmlJacksonCodec`; XStream `XmlFriendlyNameCoder`,
`PrettyPrintWriter`; XML 1.0 2.2, 2.3.
"""

from __future__ import annotations

import re
from xml.parsers import expat

from tidelock.discovery.codec.fields import (
    EMPTY_MAP,
    Applications,
    BadDocumentError,
    Tree,
    applications_from,
    compact_tree_of,
    tree_of,
)
from tidelock.discovery.instance import Instance

CONTENT_TYPE = "application/xml"
DEPTH = 16
"""Elements inside each other; a registration needs four."""

INDENTS = tuple("  " * depth for depth in range(DEPTH))

LISTS = ("application", "instance")
MAPS = ("metadata",)

_NAME_START = re.compile(r"[A-Za-z_]")
_NAME_REST = re.compile(r"[A-Za-z0-9_.\-]")
_ESCAPED = re.compile(r"__|_-|_\.([0-9a-fA-F]{4})")
_UNSPEAKABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;", "\r": "&#xd;"}
_PLAIN = re.compile(r"[A-Za-z0-9 :/._,;=?@$-]*")
_SPECIAL = re.compile("[&<>\"'\r]")


def escape_name(key: str) -> str:
    """Return an element name for a metadata key, as XStream writes it; the empty key becomes `_.0000`."""
    if not key:
        return "_.0000"
    return "".join(_escaped(char, _NAME_REST if place else _NAME_START) for place, char in enumerate(key))


def _escaped(char: str, allowed: re.Pattern[str]) -> str:
    if char == "_":
        return "__"
    if char == "$":
        return "_-"
    if allowed.fullmatch(char):
        return char
    return "".join(f"_.{unit:04x}" for unit in _utf16(char))


def _utf16(char: str) -> tuple[int, ...]:
    code = ord(char)
    if code < 0x10000:
        return (code,)
    return 0xD800 + ((code - 0x10000) >> 10), 0xDC00 + ((code - 0x10000) & 0x3FF)


def unescape_name(name: str) -> str:
    """Return the key that `escape_name` made this element name of."""
    if name == "_.0000":
        return ""
    text = _ESCAPED.sub(_unescaped, name)
    return text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")


def _unescaped(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return "_" if match[0] == "__" else "$"


# writing


def write_applications(document: Applications, *, is_compact: bool = False) -> bytes:
    """Return a list document; Jackson's compact form has the versions at its end."""
    out = _Writer(is_compact=is_compact)
    out.open("applications")
    if not is_compact:
        _versions(out, document)
    for name, instances in document.instances.items():
        _application(out, name, instances)
    if is_compact:
        out.leaf("registeredApplicationsEmpty", "false" if document.instances else "true")
        _versions(out, document)
    out.close("applications")
    return out.bytes()


def _versions(out: _Writer, document: Applications) -> None:
    out.leaf("versions__delta", str(document.version))
    out.leaf("apps__hashcode", document.hashcode)


def write_application(name: str, instances: list[Instance], *, is_compact: bool = False) -> bytes:
    """Return the document of one application."""
    out = _Writer(is_compact=is_compact)
    _application(out, name, instances)
    return out.bytes()


def write_instance(instance: Instance) -> bytes:
    """Return the document of one instance; always full."""
    out = _Writer(is_compact=False)
    out.tree("instance", tree_of(instance))
    return out.bytes()


def write_tree(name: str, tree: Tree) -> bytes:
    """Return any tree as a document."""
    out = _Writer(is_compact=False)
    out.tree(name, tree)
    return out.bytes()


def _application(out: _Writer, name: str, instances: list[Instance]) -> None:
    tree = compact_tree_of if out.is_compact else tree_of
    out.open("application")
    out.leaf("name", name)
    for instance in instances:
        out.tree("instance", tree(instance))
    out.close("application")


class _Writer:
    """Collects elements; indents in the full form."""

    def __init__(self, *, is_compact: bool) -> None:
        self.is_compact = is_compact
        self._parts: list[str] = []
        self._depth = 0

    def open(self, name: str, attributes: str = "") -> None:
        self._line(f"<{name}{attributes}>")
        self._depth += 1

    def close(self, name: str) -> None:
        self._depth -= 1
        self._line(f"</{name}>")

    def leaf(self, name: str, text: str, attributes: str = "") -> None:
        self._line(f"<{name}{attributes}>{_text(text)}</{name}>")

    def tree(self, name: str, tree: Tree, attributes: str = "") -> None:
        self.open(name, attributes)
        for key, value in tree.items():
            self._field("overriddenstatus" if key == "overriddenStatus" else key, value)
        self.close(name)

    def _field(self, name: str, value: object) -> None:
        if value is EMPTY_MAP:
            self._line(f'<{name} class="java.util.Collections$EmptyMap"/>')
        elif not isinstance(value, dict):
            self.leaf(name, str(value))
        elif name in MAPS:  # before the others: its keys are the user's, `$` may be one
            self._map(name, value)
        elif "$" in value:
            self.leaf(name, str(value["$"]), f' enabled="{value["@enabled"]}"')
        elif "@class" in value:
            rest = {key: inner for key, inner in value.items() if key != "@class"}
            self.tree(name, rest, f' class="{value["@class"]}"')
        else:
            self.tree(name, value)

    def _map(self, name: str, entries: dict[str, str]) -> None:
        self.open(name)
        for key, text in entries.items():
            self.leaf(escape_name(key), text)
        self.close(name)

    def _line(self, text: str) -> None:
        self._parts.append(text if self.is_compact else f"{INDENTS[self._depth]}{text}\n")

    def bytes(self) -> bytes:
        return "".join(self._parts).rstrip("\n").encode()


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text):  # nearly always
        return text
    return _SPECIAL.sub(lambda match: _ENTITIES[match[0]], _UNSPEAKABLE.sub("\ufffd", text))


# reading


def read_tree(body: bytes, root: str) -> Tree:
    """Return what is inside the root element, which must be called `root`.

    Raises:
        BadDocumentError: not XML, a DOCTYPE, another root, or too deep.
    """
    builder = _Builder()
    name, value = builder.parse(body)
    if name != root:
        raise BadDocumentError(f"the root element is {name[:40]!r}, {root!r} is expected")
    return value if isinstance(value, dict) else {}


def read_applications(body: bytes) -> Applications:
    """Read a list document."""
    return applications_from(read_tree(body, "applications"))


class _Builder:
    """Builds the tree that JSON would have given: `$` is the text beside attributes, `@name` an attribute."""

    def __init__(self) -> None:
        self._stack: list[tuple[str, dict[str, object], list[str]]] = []
        self._root: tuple[str, object] | None = None

    def parse(self, body: bytes) -> tuple[str, object]:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        try:
            parser.Parse(body, True)
        except expat.ExpatError as error:
            raise BadDocumentError(f"not XML: {error}") from None
        except (LookupError, ValueError) as error:  # an encoding that Python or expat does not have
            raise BadDocumentError(f"not readable XML: {error}") from None
        if self._root is None:
            raise BadDocumentError("not XML: no element")
        return self._root

    def _doctype(self, *_: object) -> None:
        raise BadDocumentError("a DOCTYPE is not allowed here")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._stack) >= DEPTH:
            raise BadDocumentError(f"more than {DEPTH} elements inside each other")
        self._stack.append((name, {f"@{key}": value for key, value in attributes.items()}, []))

    def _characters(self, data: str) -> None:
        self._stack[-1][2].append(data)

    def _end(self, name: str) -> None:
        _, fields, texts = self._stack.pop()
        text = "".join(texts)
        if fields and text.strip():
            fields["$"] = text.strip()
        value: object = fields or text
        if not self._stack:
            self._root = (name, value)
            return
        parent, siblings, _ = self._stack[-1]
        if parent in MAPS:  # entries are texts, whatever attributes they carry
            self._put(unescape_name(name), text, siblings)
        else:
            self._put(name, value, siblings)

    def _put(self, name: str, value: object, siblings: dict[str, object]) -> None:
        if name in LISTS and name in siblings:
            held = siblings[name]
            if isinstance(held, list):
                held.append(value)
            else:
                siblings[name] = [held, value]
        else:
            siblings[name] = value
