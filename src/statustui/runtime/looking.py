"""One look by hand: `statustui check` without storing anything."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from urllib.parse import parse_qs, unquote, urlsplit

from statustui.domain.errors import ValidationFailed
from statustui.domain.heartbeat import Away, Beats
from statustui.domain.monitor import MonitorSpec, monitor_to_mapping, parse_monitor, target_of
from statustui.domain.observation import Observation
from statustui.domain.status import MonitorType
from statustui.domain.verdict import CheckResult, judge
from statustui.runtime.database import operator_session
from statustui.settings import Settings

_SCHEMES = ("http", "https", "tcp", "tls", "dns", "ping", "postgresql", "postgres")
_SHOWN_BODY_BYTES = 4096


def target_spec(target: str, *, timeout: str, conditions: tuple[str, ...]) -> MonitorSpec | None:
    """A monitor made from an address.

    Args:
        target: `https://host/path`, `tcp://host:port`, `tls://host:port`,
            `dns://resolver:port/name?type=MX` (an empty resolver takes the system's),
            `tls://host:port?starttls=smtp`, `ping://host`,
            `postgresql://user:password@host/database`; an address without a scheme
            is not one.
        timeout: the deadline, such as "5s".
        conditions: what must hold.

    Returns:
        The monitor, or None when `target` has no scheme and must be a monitor's name.

    Raises:
        ValidationFailed: the scheme is unknown or a part is wrong.
    """
    scheme, separator, _ = target.partition("://")
    if not separator:
        return None
    scheme = scheme.lower()
    if scheme not in _SCHEMES:
        raise ValidationFailed(
            f"nothing here looks at {scheme}:// addresses",
            advice=f"known are {', '.join(name + '://' for name in _SCHEMES)}",
        )
    # The interval only bounds the timeout here; nothing is scheduled.
    return parse_monitor(
        {
            "name": "check",
            "type": {"https": "http", "postgresql": "postgres"}.get(scheme, scheme),
            "interval": "60s",
            "timeout": timeout,
            "config": _config(scheme, target),
            "conditions": list(conditions),
        }
    )


def _config(scheme: str, target: str) -> dict[str, object]:
    if scheme in ("http", "https"):
        return {"url": target}
    if scheme in ("postgresql", "postgres"):
        return {"dsn": target}
    try:
        parts = urlsplit(target)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValidationFailed(f"{target} is not an address: {error}") from error
    if scheme == "ping":
        return {"host": host}
    if scheme == "dns":
        config: dict[str, object] = {"name": unquote(parts.path.strip("/"))}
        if host:
            shown = f"[{host}]" if ":" in host else host
            config["resolver"] = shown if port is None else f"{shown}:{port}"
        kind = parse_qs(parts.query).get("type")
        if kind:
            config["record_type"] = kind[0].upper()
        return config
    config = {"host": host}
    if port is not None:
        config["port"] = port
    talk = parse_qs(parts.query).get("starttls")
    if scheme == "tls" and talk:
        config["starttls"] = talk[0]
    return config


async def stored_monitor(settings: Settings, name: str) -> tuple[MonitorSpec, Beats | None]:
    """The stored monitor of that name, to be looked at by hand, and its job's beats if it has one.

    Raises:
        NotFound: no monitor answers to the name.
        ValidationFailed: several do.
    """
    async with operator_session(settings) as (store, organization):
        row = await store.find_monitor(organization.id, name)
        spec = await store.load_monitor_spec(organization.id, row.id)
        if spec.type is not MonitorType.HEARTBEAT:
            return spec, None
        return spec, await store.load_beats(row.id)


def changed(spec: MonitorSpec, *, timeout: str | None, conditions: tuple[str, ...]) -> MonitorSpec:
    """A stored monitor with what was asked for this one look.

    Args:
        spec: as stored.
        timeout: another deadline, None for its own.
        conditions: what must hold besides its own conditions.

    Raises:
        ValidationFailed: a value is wrong.
    """
    if timeout is None and not conditions:
        return spec
    wanted = monitor_to_mapping(spec)
    if timeout is not None:
        wanted["timeout"] = timeout
    wanted["conditions"] = [*spec.conditions, *conditions]
    return parse_monitor(wanted)


async def look_once(
    spec: MonitorSpec, settings: Settings, *, at: datetime, beats: Beats | None = None
) -> tuple[Observation, CheckResult]:
    """Look at a monitor's target now and judge what was seen.

    Args:
        spec: what to look at and what must hold.
        settings: which programs this host lets be run.
        at: the present, for certificates.
        beats: what is known of the job of a heartbeat monitor.
    """
    from statustui.engine.checkers import LookOptions, look
    from statustui.engine.checkers.options import BeatsUnknown

    async def known() -> tuple[Beats, tuple[Away, ...]]:
        if beats is None:
            raise BeatsUnknown("this is no stored monitor")
        return beats, ()

    options = LookOptions(commands_allowed=settings.engine.commands_allowed, beats=known)
    observation = await look(spec.config, timeout_ms=spec.timeout_ms, options=options)
    return observation, judge(spec, observation, at)


def look_as_data(
    spec: MonitorSpec, observation: Observation, result: CheckResult
) -> dict[str, object]:
    """One look as JSON.

    Args:
        spec: what was looked at.
        observation: what was seen.
        result: what was made of it.
    """
    phases = observation.phases
    certificate = observation.certificate
    return {
        "type": spec.type,
        "target": target_of(spec.config),
        "status": result.status,
        "error_kind": result.error_kind,
        "reason": result.reason,
        "started_at": observation.started_at,
        "duration_ms": round(observation.duration_ms, 3),
        "phases": {
            "resolve_ms": _rounded(phases.resolve_ms),
            "connect_ms": _rounded(phases.connect_ms),
            "tls_ms": _rounded(phases.tls_ms),
            "first_byte_ms": _rounded(phases.first_byte_ms),
            "transfer_ms": _rounded(phases.transfer_ms),
        },
        "address": observation.address,
        "addresses": list(observation.addresses),
        "http_version": observation.http_version,
        "status_code": observation.status_code,
        "headers": dict(observation.headers),
        "body": observation.body[:_SHOWN_BODY_BYTES].decode("utf-8", "replace"),
        "body_bytes": len(observation.body),
        "certificate": None
        if certificate is None
        else {
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "serial": certificate.serial,
            "not_after": certificate.not_after,
            "names": list(certificate.names),
            "chain": list(certificate.chain),
        },
        "dns_rcode": observation.dns_rcode,
        "dnssec": observation.dnssec,
        "answers": list(observation.answers),
        "loss_percent": observation.loss_percent,
        "round_trips": None if observation.round_trips is None else asdict(observation.round_trips),
        "redirects": [asdict(hop) for hop in observation.redirects],
        "rows": observation.rows,
        "exit_code": observation.exit_code,
        "output": observation.output,
        "perfdata": [asdict(datum) for datum in observation.perfdata],
        "repeat": observation.repeat_command,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
