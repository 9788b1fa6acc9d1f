"""Java's date patterns (`SimpleDateFormat`) in UTC and with English names: write and read as Java does.

Reading is lenient, as in Java: month 13 is January of the next year, text after the last field is ignored,
and adjoining numbers (`yyyyMMdd`) take as many digits as they have letters. Different: the Gregorian calendar
has no beginning here (Java's has the Julian one before 1582), years are 1 to 9999, and two digits of a year
mean 1946 to 2045 on any day. Pure; imports the api's errors.

Source: `java.text.SimpleDateFormat`.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tidelock.connect.api.errors import DataError

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
CENTURY_START = 1946
LETTERS = "GyYMLwWDdFEuaHkKhmsSzZX"
NUMERIC = "yYwWDdFuHkKhmsS"
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ZONE = re.compile(r"(?:GMT|UTC|UT)?([+-])(\d{1,2}):?(\d{2})?|GMT|UTC|UT|Z")
READABLE = "GyMLDdEaHkKhmsSzZX"


@dataclass(frozen=True, slots=True)
class Token:
    """A run of one pattern letter, or literal text (`letter` is empty)."""

    letter: str
    count: int
    text: str = ""

    @property
    def is_number(self) -> bool:
        """Whether it is written in digits."""
        return self.count <= 2 if self.letter in ("M", "L") else self.letter in set(NUMERIC)


def tokens(pattern: str) -> list[Token]:
    """Split a pattern; ValueError with what is wrong."""
    made: list[Token] = []
    for part in re.finditer(r"''|'((?:[^']|'')*)('?)|([A-Za-z])\3*|[^A-Za-z']+", pattern):
        text, letter = part.group(), part.group(3)
        if letter is not None:
            if letter not in LETTERS:
                raise ValueError(f"{letter!r} is no letter of a date pattern")
            if letter == "X" and len(text) > 3:
                raise ValueError("at most three X make a time zone")
            made.append(Token(letter, len(text)))
        elif text == "''":
            made.append(Token("", 0, "'"))
        elif part.group(1) is not None:
            if not part.group(2):
                raise ValueError("a quote is not closed")
            made.append(Token("", 0, part.group(1).replace("''", "'")))
        else:
            made.append(Token("", 0, text))
    return made


class DateFormat:
    """A compiled pattern.

    Args:
        pattern: of Java's letters.

    Raises:
        ValueError: what is wrong with it.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._tokens = tokens(pattern)

    def format(self, instant: dt.datetime) -> str:
        """Write an instant, in UTC."""
        moment = instant.astimezone(dt.UTC)
        return "".join(token.text or WRITERS[token.letter](moment, token.count) for token in self._tokens)

    def parse(self, text: str) -> dt.datetime:
        """Read an instant, as UTC unless the text has a zone.

        Raises:
            DataError: the text does not begin with what the pattern says.
        """
        reading = Reading(text)
        try:
            for index, token in enumerate(self._tokens):
                following = self._tokens[index + 1] if index + 1 < len(self._tokens) else None
                reading.take(token, is_abutting=following is not None and following.is_number)
            return reading.result()
        except (ValueError, OverflowError):
            raise DataError(
                f"Could not parse timestamp: value ({text}) does not match pattern ({self.pattern})"
            ) from None


@functools.lru_cache(maxsize=64)
def date_format(pattern: str) -> DateFormat:
    """Return the compiled pattern; see DateFormat."""
    return DateFormat(pattern)


def _number(read: Callable[[dt.datetime], int]) -> Callable[[dt.datetime, int], str]:
    return lambda moment, count: str(read(moment)).zfill(count)


def _year(moment: dt.datetime, count: int) -> str:
    return f"{moment.year % 100:02}" if count == 2 else str(moment.year).zfill(count)


def _month(moment: dt.datetime, count: int) -> str:
    name = MONTHS[moment.month - 1]
    return name if count > 3 else name[:3] if count == 3 else str(moment.month).zfill(count)


def _week_year(moment: dt.datetime, count: int) -> str:
    year = moment.year + (1 if moment.month == 12 and _week(moment) == 1 else 0)
    return f"{year % 100:02}" if count == 2 else str(year).zfill(count)


def _week(moment: dt.datetime) -> int:
    """Week of the year: from Sunday, and the first is the one with January 1."""
    first = _days_since_sunday(moment.replace(month=1, day=1))
    week = (moment.timetuple().tm_yday - 1 + first) // 7 + 1
    last = moment.replace(month=12, day=31)
    return 1 if (last - moment).days < _days_since_sunday(last) + 1 and _days_since_sunday(last) < 6 else week


def _days_since_sunday(moment: dt.datetime) -> int:
    return (moment.weekday() + 1) % 7


WRITERS: dict[str, Callable[[dt.datetime, int], str]] = {
    "G": lambda moment, count: "AD",
    "y": _year,
    "Y": _week_year,
    "M": _month,
    "L": _month,
    "w": _number(_week),
    "W": _number(lambda moment: (moment.day - 1 + _days_since_sunday(moment.replace(day=1))) // 7 + 1),
    "D": _number(lambda moment: moment.timetuple().tm_yday),
    "d": _number(lambda moment: moment.day),
    "F": _number(lambda moment: (moment.day - 1) // 7 + 1),
    "E": lambda moment, count: DAYS[moment.weekday()][: None if count > 3 else 3],
    "u": _number(lambda moment: moment.isoweekday()),
    "a": lambda moment, count: "AM" if moment.hour < 12 else "PM",
    "H": _number(lambda moment: moment.hour),
    "k": _number(lambda moment: moment.hour or 24),
    "K": _number(lambda moment: moment.hour % 12),
    "h": _number(lambda moment: moment.hour % 12 or 12),
    "m": _number(lambda moment: moment.minute),
    "s": _number(lambda moment: moment.second),
    "S": _number(lambda moment: moment.microsecond // 1000),
    "z": lambda moment, count: "UTC" if count < 4 else "Coordinated Universal Time",
    "Z": lambda moment, count: "+0000",
    "X": lambda moment, count: "Z",
}


@dataclass(slots=True)
class Reading:
    """A text on its way through the tokens; ValueError where they do not fit."""

    text: str
    at: int = 0
    year: int = 1970
    numbers: dict[str, int] = field(default_factory=dict)
    afternoon: bool = False
    zone: dt.timedelta = dt.timedelta()

    def take(self, token: Token, *, is_abutting: bool) -> None:
        """Read what one token stands for."""
        if not token.letter:
            if not self.text.startswith(token.text, self.at):
                raise ValueError(token.text)
            self.at += len(token.text)
            return
        while self.text[self.at : self.at + 1] in (" ", "\t"):
            self.at += 1
        if token.letter not in READABLE:
            raise ValueError(f"{token.letter} is only written")
        if token.is_number:
            self._take_number(token, is_abutting=is_abutting)
        else:
            self._take_word(token)

    def _take_number(self, token: Token, *, is_abutting: bool) -> None:
        found = re.compile(f"[0-9]{{{token.count}}}" if is_abutting else "[0-9]+").match(self.text, self.at)
        if found is None:
            raise ValueError(token.letter)
        self.at = found.end()
        number = int(found.group())
        if token.letter == "y":
            self.year = number
            if token.count <= 2 and len(found.group()) == 2:
                self.year = number + 1900 + (100 if number + 1900 < CENTURY_START else 0)
        else:
            self.numbers["M" if token.letter == "L" else token.letter] = number

    def _take_word(self, token: Token) -> None:
        if token.letter in "ML":
            self.numbers["M"] = self._take_name(MONTHS) + 1
        elif token.letter == "E":
            self._take_name(DAYS)  # the date says it, as in Java
        elif token.letter == "a":
            self.afternoon = self._take_name(("AM", "PM")) == 1
        elif token.letter == "G":
            if self._take_name(("AD", "BC")):
                raise ValueError("years before 1")
        else:
            self._take_zone()

    def _take_name(self, names: tuple[str, ...]) -> int:
        rest = self.text[self.at :].lower()
        for length in (None, 3):
            for index, name in enumerate(names):
                if rest.startswith(name[:length].lower()):
                    self.at += len(name[:length])
                    return index
        raise ValueError(names[0])

    def _take_zone(self) -> None:
        found = ZONE.match(self.text, self.at)
        if found is None:
            raise ValueError("zone")
        self.at = found.end()
        if found.group(1):
            offset = dt.timedelta(hours=int(found.group(2)), minutes=int(found.group(3) or 0))
            self.zone = offset if found.group(1) == "+" else -offset

    def result(self) -> dt.datetime:
        """Add everything up."""
        get = self.numbers.get
        years, month = divmod(get("M", 1) - 1, 12)
        first = EPOCH.replace(year=self.year + years, month=month + 1)
        if "D" in self.numbers and "d" not in self.numbers:
            first, day = first.replace(month=1), get("D", 1)
        else:
            day = get("d", 1)
        hour = get("H", get("k", 0) % 24)
        if "h" in self.numbers or "K" in self.numbers:
            hour = get("K", get("h", 0) % 12) + (12 if self.afternoon else 0)
        passed = dt.timedelta(
            days=day - 1, hours=hour, minutes=get("m", 0), seconds=get("s", 0), milliseconds=get("S", 0)
        )
        return first + passed - self.zone
