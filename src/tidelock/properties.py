r"""Java properties files, as `java.util.Properties` reads them: comments, continuation lines, escapes.

    # a comment
    topics = orders, \

Returns:
    greeting=\uc548\ub155

Text is UTF-8 (a Latin-1 file of ASCII and escapes reads the same). Imports tidelock.errors only.

Source: `java.util.Properties.load`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tidelock.errors import UsageError

BLANK = " \t\f"
ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


class PropertiesError(UsageError):
    """A properties file that cannot be read; the place has the line."""

    code = "TID-510"


def load_properties(path: str | Path) -> dict[str, str]:
    """Read a properties file.

    Raises:
        PropertiesError: it cannot be opened, is no text, or has a broken escape.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise PropertiesError(
            f"cannot read the file: {error.strerror}",
            where=str(path),
            hint="name a readable file with lines like key=value",
        ) from None
    except UnicodeDecodeError as error:
        raise PropertiesError(f"not UTF-8 text: {error}", where=str(path)) from None
    return parse_properties(text, where=str(path))


def parse_properties(text: str, *, where: str = "properties") -> dict[str, str]:
    r"""Parse the text of a properties file; a key given twice keeps its last value.

    Raises:
        PropertiesError: a `\u` escape without four hexadecimal digits.
    """
    found: dict[str, str] = {}
    for number, line in _logical_lines(text):
        end = _key_end(line)
        value = line[end:].lstrip(BLANK)
        if value[:1] in ("=", ":"):
            value = value[1:].lstrip(BLANK)
        place = f"{where}, line {number}"
        found[_unescape(line[:end], place)] = _unescape(value, place)
    return found


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number of the first line and the text of each entry, continuation lines joined."""
    started: int | None = None
    joined = ""
    for number, raw in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        line = raw.lstrip(BLANK)
        if started is None:
            if not line or line[0] in "#!":
                continue
            started, joined = number, ""
        if _continues(line):
            joined += line[:-1]
            continue
        yield started, joined + line
        started = None
    if started is not None:
        yield started, joined


def _continues(line: str) -> bool:
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _key_end(line: str) -> int:
    """Return where the key ends: at the first `=`, `:` or blank without a backslash before it."""
    escaped = False
    for index, character in enumerate(line):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character in "=:" or character in BLANK:
            return index
    return len(line)


def _unescape(text: str, where: str) -> str:
    if "\\" not in text:
        return text
    made: list[str] = []
    index = 0
    while index < len(text):
        character = text[index]
        index += 1
        if character != "\\":
            made.append(character)
            continue
        following = text[index : index + 1]
        index += 1
        if following == "u":
            made.append(_code_unit(text[index : index + 4], where))
            index += 4
        else:
            made.append(ESCAPES.get(following, following))
    return _joined("".join(made))


def _code_unit(digits: str, where: str) -> str:
    if len(digits) != 4 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
        raise PropertiesError(f"\\u{digits} needs four hexadecimal digits", where=where)
    return chr(int(digits, 16))


def _joined(text: str) -> str:
    """Turn pairs of surrogate escapes into the character they mean; a lone one becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
