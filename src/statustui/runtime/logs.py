"""The program's own log: one line an event, as text or as JSON, to standard error or a file."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

from statustui.settings import LogSettings

_STANDARD = frozenset(
    logging.LogRecord("", 0, "", 0, "", None, None).__dict__.keys() | {"message", "asctime"}
)


def configure(settings: LogSettings, *, file: Path | None = None) -> None:
    """Send the log where it belongs; what was configured before is replaced.

    Args:
        settings: level and format.
        file: a file to append to; None for standard error.
    """
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(file, encoding="utf-8", delay=True)
    handler.setFormatter(JsonLines() if settings.format == "json" else TextLines())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("statustui").setLevel(settings.level.upper())


class TextLines(logging.Formatter):
    """`2026-01-03T02:13:04.123Z info engine: message key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and below it the lines of an exception.

        What cannot be printed is shown as its escape, so that no message forges a line, moves a
        cursor or turns the direction of reading.
        """
        name = record.name.removeprefix("statustui.")
        parts = [f"{_time(record)} {record.levelname.lower()} {name}: {record.getMessage()}"]
        parts += [f"{key}={value}" for key, value in _extras(record).items()]
        line = _visible(" ".join(parts))
        if record.exc_info:
            told = self.formatException(record.exc_info)
            line += "".join(f"\n{_visible(each)}" for each in told.split("\n"))
        return line


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record with its extra fields."""
        document: dict[str, object] = {
            "at": _time(record),
            "level": record.levelname.lower(),
            "name": record.name,
            "message": record.getMessage(),
        }
        document.update(_extras(record))
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        # JSON leaves one control character as it is.
        return json.dumps(document, default=str).replace("\x7f", "\\u007f")


def _visible(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in record.__dict__.items() if key not in _STANDARD}


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
