"""From what a check saw to what a monitor's state becomes.

Two steps, both pure. `judge` compares one observation with what its monitor expects and gives a
check status. `advance` takes the state before and that status and gives the state after:

    what comes in          what it does
    failure, timeout       one more failure in a row; `failure_threshold` of them make it down
    success, degraded      one more success in a row; `recovery_threshold` of them end down
    degraded               not good in full; `failure_threshold` looks in a row that were not good
                           in full make it degraded, `recovery_threshold` good ones end that
    unknown                nobody could look: it proves nothing and breaks no row;
                           `failure_threshold` of them in a row make the monitor unknown

A state that was never known becomes up or degraded with the first look that succeeds: there is
nothing to recover from. Whatever confirms a change, the change *began* with the first look of its
row: an outage starts with the first failed check, not with the one that confirmed it.

A monitor whose state changes `FLAPS` times within `FLIP_WINDOW_INTERVALS` intervals is flapping.
The rows are counted on beneath that, so it is known what it would be; when that has not changed for
`STABLE_SECONDS`, the monitor is that again. Changes from and to unknown are no changes of the
target.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from http import HTTPStatus
from typing import assert_never

from statustui.domain.conditions import Condition, evaluate, parse
from statustui.domain.monitor import (
    CheckConfig,
    CommandConfig,
    DnsConfig,
    HeartbeatConfig,
    HttpConfig,
    MonitorSpec,
    PingConfig,
    PostgresConfig,
    TcpConfig,
    TlsConfig,
    target_of,
)
from statustui.domain.observation import Certificate, Observation
from statustui.domain.status import CheckStatus, ErrorKind, MonitorState
from statustui.domain.text import clean, shorten

LONGEST_REASON = 300

# Changes of state within this many intervals are kept, to be counted as flips.
FLIP_WINDOW_INTERVALS = 10
# As many changes within that make a monitor flapping.
FLAPS = 5
# A flapping monitor that has not changed for as long is stable.
STABLE_SECONDS = 600

_DEFAULT_STATUS = ((200, 299),)
_UNREACHED = frozenset({ErrorKind.DNS, ErrorKind.CONNECT, ErrorKind.REFUSED, ErrorKind.TIMEOUT})


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check amounts to.

    Attributes:
        error_kind: why it did not succeed; None for success and degraded.
        reason: one readable line, empty for a success in full.
        failed_conditions: the conditions that did not hold, with what was found.
    """

    status: CheckStatus
    error_kind: ErrorKind | None = None
    reason: str = ""
    failed_conditions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VerdictState:
    """What is known of one monitor in one region.

    Attributes:
        state: what it is; since: the first look that said so.
        failures: failures and timeouts in a row; successes: successes and degraded in a row.
        imperfect: looks in a row that were not good in full; good: looks in a row that were.
        unknowns: looks in a row that nobody could have.
        first_failure_at, first_success_at, first_imperfect_at, first_good_at, first_unknown_at:
            when each of these rows began; None when the row is empty.
        last_good_at: the newest look that was wholly good, not degraded.
        flips: when the state changed within the last ten intervals; of a flapping monitor at least
            the last time.
        beneath: what a flapping monitor would be without that; None for all others.
    """

    state: MonitorState = MonitorState.UNKNOWN
    since: datetime | None = None
    failures: int = 0
    successes: int = 0
    imperfect: int = 0
    good: int = 0
    unknowns: int = 0
    first_failure_at: datetime | None = None
    first_success_at: datetime | None = None
    first_imperfect_at: datetime | None = None
    first_good_at: datetime | None = None
    first_unknown_at: datetime | None = None
    last_good_at: datetime | None = None
    flips: tuple[datetime, ...] = ()
    beneath: MonitorState | None = None

    @property
    def rows_say(self) -> MonitorState:
        """What the rows of looks amount to, flapping or not."""
        return self.state if self.beneath is None else self.beneath


@dataclass(frozen=True, slots=True)
class Transition:
    """A monitor's state changed.

    Attributes:
        effective_at: when the change began: the first look of the row that decided it.
        decided_at: the look that decided it.
        error_kind, reason: of that look.
    """

    from_state: MonitorState
    to_state: MonitorState
    effective_at: datetime
    decided_at: datetime
    error_kind: ErrorKind | None = None
    reason: str = ""


# -- one look --------------------------------------------------------------------------------------


@lru_cache(maxsize=20_000)
def _parsed(text: str) -> Condition:
    return parse(text)


def judge(spec: MonitorSpec, observation: Observation, at: datetime) -> CheckResult:
    """Compares what was seen with what the monitor expects.

    Args:
        spec: the monitor.
        observation: what its check saw.
        at: the time of judging, for how long a certificate is still valid.

    Raises:
        ValidationFailed: when a stored condition cannot be read.
    """
    conditions = [_parsed(text) for text in spec.conditions]
    named = frozenset[str]().union(*(condition.placeholders for condition in conditions))
    if observation.error_kind is not None:
        # "[CONNECTED] == false" is how one says that something must not answer.
        about_connecting = (
            "CONNECTED" in named
            and not observation.connected
            and observation.error_kind in _UNREACHED
        )
        if not about_connecting:
            return _broken(observation.error_kind, observation.reason)
    else:
        unexpected = _unexpected(spec.config, observation, named)
        if unexpected is not None:
            return unexpected
    failed = _failing(conditions, observation, at)
    if failed:
        return CheckResult(
            CheckStatus.FAILURE, ErrorKind.ASSERTION, _line(failed[0]), tuple(failed)
        )
    return _degraded(spec, observation, at) or CheckResult(CheckStatus.SUCCESS)


def _degraded(spec: MonitorSpec, observation: Observation, at: datetime) -> CheckResult | None:
    limit = spec.degraded_after_ms
    if limit is not None and observation.duration_ms > limit:
        reason = f"took {observation.duration_ms:,.0f} ms, limit {limit:,} ms"
        return CheckResult(CheckStatus.DEGRADED, None, reason)
    if isinstance(spec.config, TlsConfig):
        ending = _ends_soon(spec.config, observation.certificate, at)
        if ending:
            return CheckResult(CheckStatus.DEGRADED, None, ending)
    if observation.exit_code == 1:
        said = observation.output.partition("\n")[0]
        return CheckResult(CheckStatus.DEGRADED, None, _line(said) or "the plugin warns")
    failed = _failing([_parsed(text) for text in spec.degraded_conditions], observation, at)
    if failed:
        return CheckResult(CheckStatus.DEGRADED, None, _line(failed[0]), tuple(failed))
    return None


def _ends_soon(config: TlsConfig, certificate: Certificate | None, at: datetime) -> str:
    """The line for a certificate with fewer days left than it should have; empty for others."""
    if certificate is None:
        return ""
    left = certificate.not_after - at
    if left >= timedelta(days=config.warn_days):
        return ""
    days = max(0, left.days)
    return (
        f"certificate of {target_of(config)} ends in {days} {'day' if days == 1 else 'days'}, "
        f"on {certificate.not_after:%Y-%m-%d}; warned below {config.warn_days}"
    )


def _failing(conditions: list[Condition], observation: Observation, at: datetime) -> list[str]:
    results = (evaluate(condition, observation, at) for condition in conditions)
    return [_line(result.shown) for result in results if not result.ok]


def _line(text: str) -> str:
    return shorten(clean(text), LONGEST_REASON)


def _broken(kind: ErrorKind, reason: str) -> CheckResult:
    match kind:
        case ErrorKind.OBSERVER:
            status = CheckStatus.UNKNOWN
        case ErrorKind.TIMEOUT:
            status = CheckStatus.TIMEOUT
        case _:
            status = CheckStatus.FAILURE
    return CheckResult(status, kind, _line(reason) or str(kind))


def _failure(kind: ErrorKind, reason: str) -> CheckResult:
    return CheckResult(CheckStatus.FAILURE, kind, _line(reason))


def _unexpected(
    config: CheckConfig, observation: Observation, named: frozenset[str]
) -> CheckResult | None:
    """What in a complete answer is not as expected, None when all is."""
    match config:
        case HttpConfig():
            return _unexpected_http(config, observation, named)
        case TcpConfig() | TlsConfig() | HeartbeatConfig():
            return None  # what must come, or be shown, is waited for while looking
        case DnsConfig():
            return _unexpected_dns(config, observation, named)
        case PingConfig():
            loss = observation.loss_percent
            if loss is None or loss <= config.max_loss_percent:
                return None
            allowed = f", allowed {config.max_loss_percent:g} %" if config.max_loss_percent else ""
            return _failure(ErrorKind.LOSS, f"{loss:g} % of packets lost{allowed}")
        case PostgresConfig():
            return _unexpected_postgres(config, observation)
        case CommandConfig():
            return _unexpected_exit(observation)
        case _:
            assert_never(config)


def _unexpected_http(
    config: HttpConfig, observation: Observation, named: frozenset[str]
) -> CheckResult | None:
    code = observation.status_code
    # A condition on the status replaces the default expectation; one that was written stays.
    judged_by_condition = "STATUS" in named and config.expected_status == _DEFAULT_STATUS
    as_expected = any(first <= (code or 0) <= last for first, last in config.expected_status)
    if code is not None and not judged_by_condition and not as_expected:
        expected = ", ".join(
            str(first) if first == last else f"{first}-{last}"
            for first, last in config.expected_status
        )
        return _failure(
            ErrorKind.HTTP_STATUS, f"answered {_status_words(code)}, expected {expected}"
        )
    cut = f" within its first {len(observation.body):,} bytes" if observation.body_truncated else ""
    wanted, unwanted = config.expected_body, config.not_expected_body
    if wanted is not None and wanted.encode() not in observation.body:
        return _failure(ErrorKind.ASSERTION, f'body does not contain "{shorten(wanted, 80)}"{cut}')
    if unwanted is not None and unwanted.encode() in observation.body:
        return _failure(ErrorKind.ASSERTION, f'body contains "{shorten(unwanted, 80)}"')
    if config.body_regex is not None and not observation.body_matches:
        wanted = shorten(config.body_regex, 80)
        return _failure(ErrorKind.ASSERTION, f'body does not match "{wanted}"{cut}')
    return None


def _status_words(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def _unexpected_dns(
    config: DnsConfig, observation: Observation, named: frozenset[str]
) -> CheckResult | None:
    rcode = observation.dns_rcode
    asked = f"{config.record_type} {config.name}"
    if observation.dnssec == "bogus":
        return _failure(
            ErrorKind.DNS,
            f"{asked}: {rcode}, its DNSSEC signatures do not validate "
            "(without validation it is answered)",
        )
    if "DNS_RCODE" not in named:
        if rcode is not None and rcode != "NOERROR":
            return _failure(ErrorKind.DNS, f"{asked}: {rcode}")
        if not observation.answers:
            return _failure(ErrorKind.DNS, f"{asked}: no such record")
    if observation.dnssec == "insecure":
        return _failure(
            ErrorKind.DNS,
            f"{asked}: answered, but not validated: it is unsigned, or the resolver does not check",
        )
    if not config.expected:
        return None
    found = {_dns_form(answer) for answer in observation.answers}
    wanted = {_dns_form(answer) for answer in config.expected}
    missing = wanted - found
    if missing:
        seen = ", ".join(sorted(found)) or "nothing"
        return _failure(
            ErrorKind.ASSERTION, f"{asked}: {', '.join(sorted(missing))} is missing; got {seen}"
        )
    extra = found - wanted
    if config.expected_match == "set" and extra:
        return _failure(ErrorKind.ASSERTION, f"{asked}: {', '.join(sorted(extra))} is not expected")
    return None


def _dns_form(answer: str) -> str:
    """Answers compare without case and closing dots, "10 MX.acme.test." like "10 mx.acme.test"."""
    return " ".join(word.removesuffix(".") for word in clean(answer).lower().split())


def _unexpected_postgres(config: PostgresConfig, observation: Observation) -> CheckResult | None:
    rows, cell = observation.rows, observation.cell
    if config.expected_rows is not None and rows != config.expected_rows:
        return _failure(
            ErrorKind.ASSERTION, f"the query gave {rows} rows, expected {config.expected_rows}"
        )
    if config.expected is not None and cell != config.expected:
        found = "no row" if rows == 0 else "NULL" if cell is None else f'"{shorten(cell, 80)}"'
        return _failure(
            ErrorKind.ASSERTION,
            f'the query gave {found}, expected "{shorten(config.expected, 80)}"',
        )
    return None


def _unexpected_exit(observation: Observation) -> CheckResult | None:
    """What a plugin's exit code says; a warning is a success that `_degraded` looks at."""
    code = observation.exit_code
    if code in (0, 1):
        return None
    said = observation.output.partition("\n")[0]
    if code == 2:
        return _failure(ErrorKind.COMMAND, said or "the plugin says critical")
    if code == 3:
        return CheckResult(
            CheckStatus.UNKNOWN, ErrorKind.COMMAND, _line(said) or "the plugin says unknown"
        )
    # A plugin that broke says nothing about what it was to look at.
    how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    line = f"the plugin broke, {how}{': ' if said else ''}{said}"
    return CheckResult(CheckStatus.UNKNOWN, ErrorKind.COMMAND, _line(line))


# -- many looks ------------------------------------------------------------------------------------


def advance(
    state: VerdictState, result: CheckResult, spec: MonitorSpec, at: datetime
) -> tuple[VerdictState, tuple[Transition, ...]]:
    """What a monitor's state becomes with one more check.

    Args:
        state: before the check.
        result: what the check amounts to.
        spec: for the thresholds.
        at: when the check started.

    Returns:
        The state after it, and the changes of state: none or one.
    """
    counted = _count(state, result.status, at)
    decided = _decide(counted, result.status, spec)
    if decided is not None and decided[0] is not counted.rows_say:
        after = _change(counted, *decided, spec, at)
    elif counted.beneath is not None and _is_stable(counted, at):
        since = counted.first_failure_at if counted.beneath is MonitorState.DOWN else at
        started = max(since or at, counted.since or at)
        after = replace(counted, state=counted.beneath, since=started, beneath=None)
    else:
        after = counted
    if after.state is state.state:
        return after, ()
    transition = Transition(
        from_state=state.state,
        to_state=after.state,
        effective_at=after.since or at,
        decided_at=at,
        error_kind=result.error_kind,
        reason=result.reason,
    )
    return after, (transition,)


def _change(
    state: VerdictState,
    to_state: MonitorState,
    effective_at: datetime,
    spec: MonitorSpec,
    at: datetime,
) -> VerdictState:
    """The state after the rows came to something else."""
    if to_state is MonitorState.UNKNOWN:
        # What was seen before nobody could look proves nothing about what comes after.
        return VerdictState(
            state=to_state, since=effective_at, last_good_at=state.last_good_at, flips=state.flips
        )
    flips = state.flips
    if state.rows_say is not MonitorState.UNKNOWN:
        window = timedelta(seconds=spec.interval_seconds * FLIP_WINDOW_INTERVALS)
        flips = tuple(flip for flip in (*flips, at) if flip > at - window)
    if state.beneath is not None:
        return replace(state, beneath=to_state, flips=flips)
    if len(flips) >= FLAPS:
        return replace(
            state,
            state=MonitorState.FLAPPING,
            since=effective_at,
            flips=flips,
            beneath=to_state,
        )
    return replace(state, state=to_state, since=effective_at, flips=flips)


def _is_stable(state: VerdictState, at: datetime) -> bool:
    last = max(state.flips, default=None)
    return last is None or at - last >= timedelta(seconds=STABLE_SECONDS)


def _count(state: VerdictState, status: CheckStatus, at: datetime) -> VerdictState:
    if status is CheckStatus.UNKNOWN:
        return replace(
            state,
            since=state.since or at,
            unknowns=state.unknowns + 1,
            first_unknown_at=state.first_unknown_at or at,
        )
    up = status.succeeded
    good = status is CheckStatus.SUCCESS
    return replace(
        state,
        since=state.since or at,
        failures=0 if up else state.failures + 1,
        successes=state.successes + 1 if up else 0,
        imperfect=0 if good else state.imperfect + 1,
        good=state.good + 1 if good else 0,
        unknowns=0,
        first_failure_at=None if up else (state.first_failure_at or at),
        first_success_at=(state.first_success_at or at) if up else None,
        first_imperfect_at=None if good else (state.first_imperfect_at or at),
        first_good_at=(state.first_good_at or at) if good else None,
        first_unknown_at=None,
        last_good_at=at if good else state.last_good_at,
    )


def _decide(
    state: VerdictState, status: CheckStatus, spec: MonitorSpec
) -> tuple[MonitorState, datetime] | None:
    """The state that the rows amount to and when it began, None for no change."""
    now = state.rows_say
    if state.first_unknown_at is not None:
        if state.unknowns >= spec.failure_threshold:
            return MonitorState.UNKNOWN, state.first_unknown_at
        return None
    if state.first_failure_at is not None:
        if state.failures >= spec.failure_threshold:
            return MonitorState.DOWN, state.first_failure_at
        if now in (MonitorState.UP, MonitorState.DEGRADED):
            return _decide_degraded(state, spec)
        return None
    # The last look succeeded, so a row of successes has begun.
    if state.first_success_at is None:
        return None
    if now is MonitorState.UNKNOWN or (
        now is MonitorState.DOWN and state.successes >= spec.recovery_threshold
    ):
        slow = status is CheckStatus.DEGRADED
        return (MonitorState.DEGRADED if slow else MonitorState.UP), state.first_success_at
    if now is MonitorState.UP:
        return _decide_degraded(state, spec)
    enough = now is MonitorState.DEGRADED and state.good >= spec.recovery_threshold
    if enough and state.first_good_at is not None:
        return MonitorState.UP, state.first_good_at
    return None


def _decide_degraded(
    state: VerdictState, spec: MonitorSpec
) -> tuple[MonitorState, datetime] | None:
    if state.first_imperfect_at is not None and state.imperfect >= spec.failure_threshold:
        return MonitorState.DEGRADED, state.first_imperfect_at
    return None


def wants_retry(state: VerdictState, spec: MonitorSpec) -> bool:
    """Whether the next look should come after `retry_interval`: a failure is not confirmed yet."""
    return (
        state.rows_say is not MonitorState.DOWN
        and 0 < state.failures < spec.failure_threshold
        and state.unknowns == 0
    )
