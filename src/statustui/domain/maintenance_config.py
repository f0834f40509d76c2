"""An announced window as people write it, in the file and on the command line, and read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from statustui.domain.errors import Problem, ValidationFailed
from statustui.domain.fields import FieldReader, Path, shown
from statustui.domain.maintenance import read_rule
from statustui.domain.status import MaintenanceStatus

_SERVICES_MOST = 20_000
_EXCEPTIONS_MOST = 1_000
_DAY = 86_400
_START = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?")


@dataclass(frozen=True, slots=True)
class MaintenanceConfig:
    """An entry of `maintenance`.

    Attributes:
        starts_at: of the first occurrence, UTC; the file writes it in the organization's zone.
        recurrence: a rule of RFC 5545 in that zone, None for a window that happens once.
        exceptions: starts of the rule that do not happen, UTC.
    """

    title: str
    starts_at: datetime
    duration_seconds: int
    description: str | None = None
    recurrence: str | None = None
    exceptions: tuple[datetime, ...] = ()
    services: tuple[str, ...] = ()
    auto_update: bool = True
    is_public: bool = True


@dataclass(frozen=True, slots=True)
class MaintenanceUpdate:
    """What was said about a window; without an author the watch said it."""

    status: MaintenanceStatus
    message: str
    is_public: bool
    author: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MaintenanceDetail:
    """One window that runs or is ahead, as it was announced, and what was said about it."""

    id: UUID
    status: MaintenanceStatus
    config: MaintenanceConfig
    updates: tuple[MaintenanceUpdate, ...] = ()


_MAINTENANCE_KEYS = (
    "title",
    "description",
    "starts",
    "duration",
    "recurrence",
    "exceptions",
    "services",
    "auto_update",
    "public",
)


def read_maintenance(
    entry: object, problems: list[Problem], path: Path, zone: ZoneInfo
) -> MaintenanceConfig:
    """Reads one window.

    Args:
        entry: as written.
        problems: where mistakes are noted; the value means something only without any.
        path: where it stands.
        zone: the organization's, for times without an offset.
    """
    reader = FieldReader(entry, problems, path=path, known=_MAINTENANCE_KEYS)
    required = isinstance(entry, Mapping)
    if required and not reader.has("duration"):
        reader.missing("duration")
    return MaintenanceConfig(
        title=reader.text("title", "", longest=500, required=required),
        description=reader.text("description", None, longest=5_000, multiline=True),
        starts_at=_read_start(reader, zone, required=required),
        duration_seconds=reader.duration_seconds("duration", 3_600, least=60, most=31 * _DAY),
        recurrence=_read_rule(reader),
        exceptions=_read_exceptions(reader, zone),
        services=tuple(dict.fromkeys(reader.texts("services", longest=255, most=_SERVICES_MOST))),
        auto_update=reader.flag("auto_update", True),
        is_public=reader.flag("public", True),
    )


def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of an IANA name, None when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _read_start(reader: FieldReader, zone: ZoneInfo, *, required: bool) -> datetime:
    """A start in the organization's zone, or with an offset of its own, as UTC."""
    unknown = datetime(2000, 1, 1, tzinfo=UTC)
    text = reader.text("starts", None, longest=40, required=required)
    if text is None:
        return unknown
    try:
        return read_start(text, zone)
    except ValidationFailed as failure:
        reader.wrong("starts", failure.message)
        return unknown


def read_start(text: str, zone: ZoneInfo) -> datetime:
    """A time in a zone, or with an offset of its own, as UTC.

    Raises:
        ValidationFailed: it is no time.
    """
    try:
        if not _START.fullmatch(text):
            raise ValueError(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValidationFailed(f'{shown(text)} is not a time like "2027-01-03T02:00"') from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _read_exceptions(reader: FieldReader, zone: ZoneInfo) -> tuple[datetime, ...]:
    found = []
    for text in reader.texts("exceptions", longest=40, most=_EXCEPTIONS_MOST):
        try:
            found.append(read_start(text, zone))
        except ValidationFailed as failure:
            reader.wrong("exceptions", failure.message)
    if found and not reader.has("recurrence"):
        reader.wrong("exceptions", "only what recurs has exceptions")
    return tuple(sorted(set(found)))


def _read_rule(reader: FieldReader) -> str | None:
    text = reader.text("recurrence", None, longest=1_000)
    if text is None:
        return None
    try:
        return read_rule(text)
    except ValidationFailed as failure:
        reader.wrong("recurrence", failure.message)
        return None
