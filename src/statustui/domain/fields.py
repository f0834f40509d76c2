"""Reads one mapping that a person wrote, noting every mistake with its path instead of stopping.

A configuration file with three mistakes should say so once, not three times in three runs. So a
reader hands back a harmless value where something is wrong, collects the `Problem`, and
`require_valid` raises all of them together at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TypeVar

from statustui.domain.errors import Problem, ValidationFailed
from statustui.domain.text import clean, format_duration, nearest, parse_duration, shorten

_T = TypeVar("_T")

Path = tuple[str | int, ...]


def shown(value: object) -> str:
    """A value as a message names it: short, on one line, harmless."""
    if isinstance(value, str):
        return f'"{shorten(clean(value), 60)}"'
    return shorten(clean(repr(value)), 60)


def require_valid(problems: Sequence[Problem], what: str) -> None:
    """Raises `ValidationFailed` with every problem when there is one.

    Args:
        problems: what was found wrong.
        what: what was read, for the first line ("the monitor").
    """
    if not problems:
        return
    first = problems[0]
    where = ".".join(str(step) for step in first.path)
    message = f"{where}: {first.message}" if where else first.message
    if len(problems) > 1:
        message = f"{len(problems)} mistakes in {what}; the first: {message}"
    raise ValidationFailed(message, problems=problems)


class FieldReader:
    """One mapping on its way in.

    Args:
        value: what should be a mapping; anything else is a problem and reads as an empty one.
        problems: the list that every reader of one document shares.
        path: where this mapping stands, from the outside in.
        known: the keys that exist here.
        later: keys that are known but not available, each with the reason why.
    """

    def __init__(
        self,
        value: object,
        problems: list[Problem],
        *,
        path: Path = (),
        known: Sequence[str],
        later: Mapping[str, str] | None = None,
    ) -> None:
        self.path = path
        self.problems = problems
        self._mapping: Mapping[object, object] = {}
        if isinstance(value, Mapping):
            self._mapping = value
        else:
            problems.append(Problem(f"expected keys and values here, found {shown(value)}", path))
        not_yet = later or {}
        for key in self._mapping:
            if isinstance(key, str) and key in known:
                continue
            if isinstance(key, str) and key in not_yet:
                self.wrong(key, not_yet[key])
                continue
            near = nearest(str(key), known)
            hint = f'; did you mean "{near}"?' if near else f"; known here: {', '.join(known)}"
            self.wrong(key if isinstance(key, str) else str(key), f"unknown key {shown(key)}{hint}")

    def wrong(self, key: str | None, message: str) -> None:
        """Notes that the value of a key is wrong (None: the mapping as a whole)."""
        self.problems.append(Problem(message, self.path if key is None else (*self.path, key)))

    def has(self, key: str) -> bool:
        """Whether the key is there with a value."""
        return self._mapping.get(key) is not None

    def raw(self, key: str) -> object:
        """The value as it came, None when absent."""
        return self._mapping.get(key)

    def missing(self, key: str) -> None:
        """Notes that a required key is absent."""
        self.wrong(key, f'"{key}" is required')

    def text(
        self,
        key: str,
        default: _T,
        *,
        longest: int,
        shortest: int = 1,
        required: bool = False,
        multiline: bool = False,
        cleaned: bool = True,
    ) -> str | _T:
        """A text, cleaned unless it is sent or compared byte by byte.

        Args:
            key: its key.
            default: what absence means.
            longest, shortest: limits in characters, after cleaning.
            required: whether absence is a mistake.
            multiline: whether line ends are kept.
            cleaned: False for texts that go over the wire as written.
        """
        value = self._mapping.get(key)
        if value is None:
            if required:
                self.missing(key)
            return default
        if not isinstance(value, str):
            quoted = ""
            if isinstance(value, bool | int | float):
                quoted = f'; put it in quotes: "{value}"'
            self.wrong(key, f"expected text, found {shown(value)}{quoted}")
            return default
        if cleaned:
            value = clean(value, multiline=multiline)
        elif "\0" in value or any(0xD800 <= ord(character) <= 0xDFFF for character in value):
            self.wrong(key, "a NUL character or half a surrogate pair cannot be stored")
            return default
        if len(value) < shortest:
            self.wrong(key, "must not be empty" if shortest == 1 else f"needs {shortest} or more")
            return default
        if len(value) > longest:
            self.wrong(key, f"has {len(value):,} characters; at most {longest:,} are allowed")
            return default
        return value

    def integer(self, key: str, default: _T, *, least: int, most: int) -> int | _T:
        """A whole number between `least` and `most`."""
        value = self._mapping.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            self.wrong(key, f"expected a whole number, found {shown(value)}")
            return default
        if not least <= value <= most:
            self.wrong(key, f"{value:,} is outside {least:,} to {most:,}")
            return default
        return value

    def number(self, key: str, default: float, *, least: float, most: float) -> float:
        """A number between `least` and `most`."""
        value = self._mapping.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.wrong(key, f"expected a number, found {shown(value)}")
            return default
        if not least <= value <= most:
            self.wrong(key, f"{value:g} is outside {least:g} to {most:g}")
            return default
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self._mapping.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.wrong(key, f"expected true or false, found {shown(value)}")
            return default
        return value

    def duration_ms(self, key: str, default: _T, *, least_ms: int, most_ms: int) -> int | _T:
        """A duration with its unit, in milliseconds."""
        value = self._mapping.get(key)
        if value is None:
            return default
        if not isinstance(value, str):
            hint = f': "{value}s"' if isinstance(value, int | float) else ""
            self.wrong(key, f"expected a duration with its unit{hint}, found {shown(value)}")
            return default
        try:
            duration = parse_duration(value)
        except ValidationFailed as failure:
            self.wrong(key, failure.message)
            return default
        milliseconds = duration // timedelta(milliseconds=1)
        if not least_ms <= milliseconds <= most_ms:
            least, most = (
                format_duration(timedelta(milliseconds=limit)) for limit in (least_ms, most_ms)
            )
            self.wrong(key, f"{format_duration(duration)} is outside {least} to {most}")
            return default
        return milliseconds

    def duration_seconds(self, key: str, default: _T, *, least: int, most: int) -> int | _T:
        """A duration of whole seconds."""
        milliseconds = self.duration_ms(key, None, least_ms=least * 1000, most_ms=most * 1000)
        if milliseconds is None:
            return default
        if milliseconds % 1000:
            self.wrong(key, "must be whole seconds")
            return default
        return milliseconds // 1000

    def choice(
        self, key: str, default: _T, *, of: Sequence[str], required: bool = False
    ) -> str | _T:
        """One of a few words."""
        value = self._mapping.get(key)
        if value is None:
            if required:
                self.missing(key)
            return default
        if isinstance(value, str) and value in of:
            return value
        near = nearest(value, of) if isinstance(value, str) else None
        hint = f'; did you mean "{near}"?' if near else ""
        self.wrong(key, f"{shown(value)} is not one of {', '.join(of)}{hint}")
        return default

    def texts(
        self, key: str, *, longest: int, most: int, multiline: bool = False
    ) -> tuple[str, ...]:
        """A list of cleaned texts; one text alone counts as a list of one.

        Args:
            key: its key.
            longest: characters of one text.
            most: how many there may be.
            multiline: whether line ends are kept.
        """
        value = self._mapping.get(key)
        if value is None:
            return ()
        items: Sequence[object]
        if isinstance(value, str):
            items = [value]
        elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
            items = value
        else:
            self.wrong(key, f"expected a list, found {shown(value)}")
            return ()
        if len(items) > most:
            self.wrong(key, f"has {len(items)} entries; at most {most} are allowed")
            return ()
        result = []
        for index, item in enumerate(items):
            where = (*self.path, key, index)
            if not isinstance(item, str):
                self.problems.append(Problem(f"expected text, found {shown(item)}", where))
                continue
            text = clean(item, multiline=multiline)
            if not text:
                self.problems.append(Problem("must not be empty", where))
            elif len(text) > longest:
                self.problems.append(
                    Problem(f"has {len(text):,} characters; at most {longest:,} are allowed", where)
                )
            else:
                result.append(text)
        return tuple(result)
