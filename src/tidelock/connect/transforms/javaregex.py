r"""Java's regular expressions in Python's: what is spelt otherwise is rewritten, what cannot be is refused.

The two share their core, including possessive quantifiers and atomic groups. Rewritten are named groups,
`\Q..\E`, `\p{...}`, `\h`, `\R`, `\z` and `\Z`; character classes are ASCII's unless a flag says otherwise,
as in Java. Refused: intersections and classes within classes, `\G`, `\X`, scripts and blocks. Pure.

Source: `java.util.regex.{Pattern, Matcher.appendReplacement}`.
"""

from __future__ import annotations

import functools
import re
import sys
import unicodedata

POSIX = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": r"\x00-\x7f",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": r"!-/:-@\[-`{-~",
    "Graph": "!-~",
    "Print": " -~",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1f\x7f",
    "XDigit": "0-9a-fA-F",
    "Space": r" \t\n\x0b\f\r",
}
ESCAPES = {
    "h": r"[ \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000]",
    "R": r"(?:\r\n|[\n\x0b\f\r\x85\u2028\u2029])",
    "z": r"\Z",
    "Z": r"(?=(?:\r\n|[\n\r\x85\u2028\u2029])?\Z)",
    "e": r"\x1b",
}
IN_CLASS = {"h": r" \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000", "e": r"\x1b"}
REFUSED = "GXNcH"
PROPERTY = re.compile(r"\\([pP])(?:\{(\^?)([A-Za-z_=]+)\}|([A-Z]))")


def compile_java(pattern: str) -> re.Pattern[str]:
    """Return Python's pattern.

    Raises:
        ValueError: what is wrong, or what Python has not got.
    """
    try:
        return re.compile(_Translation(pattern).result(), re.ASCII)
    except (re.error, OverflowError) as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None


class _Translation:
    """A pattern on its way."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def result(self) -> str:
        parts = []
        while self._at < len(self._pattern):
            parts.append(self._piece())
        return "".join(parts)

    def _piece(self) -> str:
        here = self._pattern[self._at]
        if here == "\\":
            return self._escape(in_class=False)
        if here == "[":
            return self._class()
        if self._pattern.startswith("(?<", self._at) and self._pattern[self._at + 3 : self._at + 4] not in (
            "=",
            "!",
            "",
        ):
            self._at += 3
            return "(?P<"
        self._at += 1
        return here

    def _escape(self, *, in_class: bool) -> str:
        letter = self._pattern[self._at + 1 : self._at + 2]
        if letter == "Q":
            return self._quoted(in_class=in_class)
        if letter in ("p", "P"):
            return self._property(in_class=in_class)
        if letter and letter in REFUSED:
            raise ValueError(f"\\{letter} is not supported here")
        if letter == "k":
            found = re.compile(r"\\k<(\w+)>").match(self._pattern, self._at)
            if found is None:
                raise ValueError("\\k needs a name: \\k<name>")
            self._at = found.end()
            return f"(?P={found.group(1)})"
        if letter in ("x", "0"):
            return self._code()
        self._at += 2
        known = IN_CLASS if in_class else ESCAPES
        if letter in known:
            return known[letter]
        return f"\\{letter}"

    def _code(self) -> str:
        found = re.compile(r"\\x\{([0-9A-Fa-f]+)\}|\\0([0-3]?[0-7]{1,2})").match(self._pattern, self._at)
        if found is None:
            self._at += 2
            return self._pattern[self._at - 2 : self._at]
        self._at = found.end()
        code = int(found.group(1), 16) if found.group(1) else int(found.group(2), 8)
        if code > sys.maxunicode:
            raise ValueError(f"{found.group()} is no character")
        return f"\\U{code:08x}"

    def _quoted(self, *, in_class: bool) -> str:
        end = self._pattern.find("\\E", self._at)
        text = self._pattern[self._at + 2 : None if end < 0 else end]
        self._at = len(self._pattern) if end < 0 else end + 2
        if in_class:
            return "".join(f"\\U{ord(one):08x}" for one in text)
        return re.escape(text)

    def _property(self, *, in_class: bool) -> str:
        found = PROPERTY.match(self._pattern, self._at)
        if found is None:
            raise ValueError("\\p needs a property: \\p{Alpha}")
        self._at = found.end()
        members = property_members(found.group(3) or found.group(4))
        is_negated = (found.group(1) == "P") != bool(found.group(2))
        if in_class:
            if is_negated:
                raise ValueError(f"{found.group()} within a class is not supported")
            return members
        return f"[{'^' if is_negated else ''}{members}]"

    def _class(self) -> str:
        parts = ["["]
        self._at += 1
        if self._pattern.startswith("^", self._at):
            parts.append("^")
            self._at += 1
        while self._at < len(self._pattern):
            here = self._pattern[self._at]
            if here == "]" and parts[-1] not in ("[", "^"):
                self._at += 1
                return "".join([*parts, "]"])
            if here == "\\":
                parts.append(self._escape(in_class=True))
                continue
            if here == "[" or self._pattern.startswith("&&", self._at):
                raise ValueError("classes within character classes are not supported")
            self._at += 1
            parts.append(f"\\{here}" if here in "&~|" else here)
        raise ValueError("a character class is not closed")


@functools.cache
def property_members(name: str) -> str:
    r"""Return the members of `\p{name}` as the inside of a character class.

    Raises:
        ValueError: it is neither a POSIX class nor a general category.
    """
    if name in POSIX:
        return POSIX[name]
    category = name.removeprefix("Is").removeprefix("gc=").removeprefix("general_category=")
    category = {"Alphabetic": "L", "Letter": "L", "Punctuation": "P"}.get(category, category)
    ranges: list[list[int]] = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)).startswith(category):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    if not ranges or not category:
        raise ValueError(f"\\p{{{name}}} is not supported here")
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


def expand(match: re.Match[str], replacement: str) -> str:
    r"""Return a replacement with its groups: `$1`, `${name}`, and `\` before a character that is meant so.

    Raises:
        ValueError: a group that the pattern has not got, or a lone `$` or backslash at the end.
    """
    parts = []
    at = 0
    while at < len(replacement):
        here = replacement[at]
        if here == "\\":
            if at + 1 == len(replacement):
                raise ValueError("the character after the backslash is missing")
            parts.append(replacement[at + 1])
            at += 2
        elif here == "$":
            text, at = _group(match, replacement, at + 1)
            parts.append(text)
        else:
            parts.append(here)
            at += 1
    return "".join(parts)


def _group(match: re.Match[str], replacement: str, at: int) -> tuple[str, int]:
    named = re.compile(r"\{([A-Za-z][A-Za-z0-9]*)\}").match(replacement, at)
    if named is not None:
        if named.group(1) not in match.re.groupindex:
            raise ValueError(f"no group with the name {named.group(1)}")
        return match.group(named.group(1)) or "", named.end()
    if not replacement[at : at + 1].isdigit():
        raise ValueError("after $ a group's number or name is missing")
    number = int(replacement[at])
    at += 1
    while replacement[at : at + 1].isdigit() and number * 10 + int(replacement[at]) <= match.re.groups:
        number = number * 10 + int(replacement[at])
        at += 1
    if number > match.re.groups:
        raise ValueError(f"no group {number}")
    return match.group(number) or "", at
