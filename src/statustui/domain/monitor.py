"""What a monitor is: how it looks, how often, and what it takes to believe what it saw.

A monitor arrives as a mapping (from the configuration file, from the command line, from the
database's JSON) and leaves as frozen values; there is one reader for all three, so that what saves
is what runs. The configurations of the kinds stand in `check_config`; everybody takes them here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from statustui.domain.check_config import (
    DNS_RECORD_TYPES,
    HTTP_METHODS,
    BasicAuth,
    BearerAuth,
    CheckConfig,
    DnsConfig,
    HttpConfig,
    PingConfig,
    TcpConfig,
    TlsConfig,
    config_to_mapping,
    host_of,
    masked,
    target_of,
    type_of,
)
from statustui.domain.check_config_reading import (
    read_config,
    split_resolver,
)
from statustui.domain.conditions import check_conditions
from statustui.domain.errors import Problem, ValidationFailed
from statustui.domain.fields import FieldReader, Path, require_valid, shown
from statustui.domain.http_config_reading import url_problem
from statustui.domain.masking import MASK, is_secret_name, mask_header, mask_url
from statustui.domain.probe_config import CommandConfig, HeartbeatConfig, PostgresConfig
from statustui.domain.status import MonitorType
from statustui.domain.text import format_duration

__all__ = [
    "DNS_RECORD_TYPES",
    "HTTP_METHODS",
    "MASK",
    "BasicAuth",
    "BearerAuth",
    "CheckConfig",
    "CommandConfig",
    "DnsConfig",
    "HeartbeatConfig",
    "HttpConfig",
    "MonitorSpec",
    "PingConfig",
    "PostgresConfig",
    "TcpConfig",
    "TlsConfig",
    "config_to_mapping",
    "default_retry_interval_seconds",
    "default_timeout_ms",
    "host_of",
    "is_secret_name",
    "mask_header",
    "mask_url",
    "masked",
    "monitor_to_mapping",
    "parse_config",
    "parse_monitor",
    "read_monitor",
    "split_resolver",
    "target_of",
    "type_of",
    "url_problem",
]

INTERVAL_LEAST_SECONDS = 5
INTERVAL_MOST_SECONDS = 86_400
TIMEOUT_LEAST_MS = 1_000
TIMEOUT_MOST_MS = 30_000
DEFAULT_INTERVAL_SECONDS = 60
DEFAULT_REGIONS = ("local",)


@dataclass(frozen=True, slots=True)
class MonitorSpec:
    """A monitor as somebody wants it.

    Attributes:
        interval_seconds: time between two slots, 5–86,400.
        timeout_ms: the deadline over one whole look, 1,000–30,000 and shorter than the interval.
        failure_threshold, recovery_threshold: how many looks in a row decide, 1–10.
        retry_interval_seconds: time to the next look after a first failure.
        degraded_after_ms: a success slower than this is degraded; None for no limit.
        conditions: what must hold for a success; degraded_conditions: for a success in full.
        paused_until: no looks before this time; is_active False pauses without an end.
        runbook: an address, or Markdown kept with the monitor.
        regions: where it is looked at from; region_quorum: how many of them must say down; None for
            more than half of those that looked.
    """

    name: str
    type: MonitorType
    config: CheckConfig
    timeout_ms: int
    retry_interval_seconds: int
    interval_seconds: int = DEFAULT_INTERVAL_SECONDS
    failure_threshold: int = 3
    recovery_threshold: int = 1
    degraded_after_ms: int | None = None
    conditions: tuple[str, ...] = ()
    degraded_conditions: tuple[str, ...] = ()
    is_active: bool = True
    paused_until: datetime | None = None
    runbook: str | None = None
    tags: tuple[str, ...] = ()
    regions: tuple[str, ...] = DEFAULT_REGIONS
    region_quorum: int | None = None


def default_timeout_ms(interval_seconds: int) -> int:
    """The smaller of ten seconds and one second less than the interval, in milliseconds."""
    return max(TIMEOUT_LEAST_MS, min(10_000, (interval_seconds - 1) * 1000))


def default_retry_interval_seconds(interval_seconds: int) -> int:
    """A third of the interval, but between 5 and 20 seconds."""
    return min(20, max(5, interval_seconds // 3))


_MONITOR_KEYS = (
    "name",
    "type",
    "interval",
    "timeout",
    "failure_threshold",
    "recovery_threshold",
    "retry_interval",
    "degraded_after",
    "conditions",
    "degraded_conditions",
    "active",
    "paused_until",
    "runbook",
    "tags",
    "regions",
    "region_quorum",
    "config",
)
_REGION = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}", re.ASCII)


def parse_config(type: MonitorType, mapping: object, *, path: Path = ()) -> CheckConfig:  # noqa: A002
    """Reads the `config` of a monitor.

    Args:
        type: the kind of monitor, which decides the keys.
        mapping: keys and values as written.
        path: where the mapping stands in its document.

    Raises:
        ValidationFailed: with every mistake that was found.
    """
    problems: list[Problem] = []
    config = read_config(type, mapping, problems, path)
    require_valid(problems, "the monitor's config")
    return config


def parse_monitor(mapping: object, *, path: Path = ()) -> MonitorSpec:
    """Reads one monitor as it stands in the configuration file.

    Args:
        mapping: the keys `name`, `type`, `interval`, `timeout`, `failure_threshold`,
            `recovery_threshold`, `retry_interval`, `degraded_after`, `conditions`,
            `degraded_conditions`, `active`, `paused_until`, `runbook`, `tags`, `regions`,
            `region_quorum`, `config`; durations with their unit.
        path: where the mapping stands in its document.

    Raises:
        ValidationFailed: with every mistake that was found, also those of `config`.
    """
    problems: list[Problem] = []
    spec = read_monitor(mapping, problems, path)
    require_valid(problems, "the monitor")
    return spec


def read_monitor(mapping: object, problems: list[Problem], path: Path = ()) -> MonitorSpec:
    """As `parse_monitor`, but collects mistakes in `problems` for a document that holds many.

    The value that is returned is only meaningful when nothing was added to `problems`.
    """
    reader = FieldReader(mapping, problems, path=path, known=_MONITOR_KEYS)
    name = reader.text("name", "", longest=255, required=True)
    monitor_type = _read_type(reader)
    interval = reader.duration_seconds(
        "interval",
        DEFAULT_INTERVAL_SECONDS,
        least=INTERVAL_LEAST_SECONDS,
        most=INTERVAL_MOST_SECONDS,
    )
    timeout_ms = reader.duration_ms(
        "timeout",
        default_timeout_ms(interval),
        least_ms=TIMEOUT_LEAST_MS,
        most_ms=TIMEOUT_MOST_MS,
    )
    if timeout_ms >= interval * 1000:
        reader.wrong(
            "timeout",
            f"{format_duration(timedelta(milliseconds=timeout_ms))} must be shorter than the "
            f"interval of {format_duration(timedelta(seconds=interval))}",
        )
    retry = reader.duration_seconds(
        "retry_interval", default_retry_interval_seconds(interval), least=1, most=interval
    )
    degraded_after_ms = reader.duration_ms(
        "degraded_after", None, least_ms=1, most_ms=TIMEOUT_MOST_MS
    )
    if degraded_after_ms is not None and degraded_after_ms >= timeout_ms:
        reader.wrong("degraded_after", "is never reached: the timeout comes first")
    regions = _read_regions(reader)
    config: CheckConfig = HttpConfig(url="http://localhost/")
    if monitor_type is not None:
        if reader.has("config"):
            config = read_config(monitor_type, reader.raw("config"), problems, (*path, "config"))
        else:
            reader.missing("config")
    return MonitorSpec(
        name=name,
        type=monitor_type or MonitorType.HTTP,
        config=config,
        interval_seconds=interval,
        timeout_ms=timeout_ms,
        failure_threshold=reader.integer("failure_threshold", 3, least=1, most=10),
        recovery_threshold=reader.integer("recovery_threshold", 1, least=1, most=10),
        retry_interval_seconds=retry,
        degraded_after_ms=degraded_after_ms,
        conditions=_read_conditions(reader, "conditions"),
        degraded_conditions=_read_conditions(reader, "degraded_conditions"),
        is_active=reader.flag("active", True),
        paused_until=_read_time(reader, "paused_until"),
        runbook=reader.text("runbook", None, longest=20_000, multiline=True),
        tags=_unique(reader.texts("tags", longest=50, most=20)),
        regions=regions,
        region_quorum=reader.integer("region_quorum", None, least=1, most=len(regions)),
    )


def _read_type(reader: FieldReader) -> MonitorType | None:
    chosen = reader.choice("type", None, of=[str(kind) for kind in MonitorType], required=True)
    return MonitorType(chosen) if chosen is not None else None


def _read_regions(reader: FieldReader) -> tuple[str, ...]:
    names = _unique(reader.texts("regions", longest=63, most=50))
    for name in names:
        if _REGION.fullmatch(name) is None:
            reader.wrong(
                "regions", f"{shown(name)} is no region's name: lower case, digits, and - . _"
            )
    return names or DEFAULT_REGIONS


def _read_time(reader: FieldReader, key: str) -> datetime | None:
    value = reader.raw(key)
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            reader.wrong(key, f'{shown(value)} is not a time; write it like "2027-01-31T18:00Z"')
            return None
    if not isinstance(value, datetime):
        reader.wrong(key, f'expected a time like "2027-01-31T18:00Z", found {shown(value)}')
        return None
    if value.tzinfo is None:
        reader.wrong(key, 'needs its offset from UTC: "2027-01-31T18:00Z" or "…+01:00"')
        return None
    return value.astimezone(UTC)


# Conditions are tried on nothing at all while they are read; which time that is does not matter.
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def _read_conditions(reader: FieldReader, key: str) -> tuple[str, ...]:
    """Conditions, each run once by the real evaluator, so that what saves is what runs."""
    texts = reader.texts(key, longest=500, most=20)
    try:
        check_conditions(texts, _ANY_TIME)
    except ValidationFailed as failure:
        reader.problems.extend(
            replace(problem, path=(*reader.path, key, *problem.path))
            for problem in failure.problems
        )
    return texts


def _unique(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def monitor_to_mapping(spec: MonitorSpec) -> dict[str, object]:
    """The monitor as the configuration file writes it, every key, durations with their unit."""
    return {
        "name": spec.name,
        "type": str(spec.type),
        "interval": format_duration(timedelta(seconds=spec.interval_seconds)),
        "timeout": format_duration(timedelta(milliseconds=spec.timeout_ms)),
        "failure_threshold": spec.failure_threshold,
        "recovery_threshold": spec.recovery_threshold,
        "retry_interval": format_duration(timedelta(seconds=spec.retry_interval_seconds)),
        "degraded_after": (
            format_duration(timedelta(milliseconds=spec.degraded_after_ms))
            if spec.degraded_after_ms is not None
            else None
        ),
        "conditions": list(spec.conditions),
        "degraded_conditions": list(spec.degraded_conditions),
        "active": spec.is_active,
        "paused_until": spec.paused_until.isoformat() if spec.paused_until else None,
        "runbook": spec.runbook,
        "tags": list(spec.tags),
        "regions": list(spec.regions),
        "region_quorum": spec.region_quorum,
        "config": config_to_mapping(spec.config),
    }
