"""One look by hand, as `statustui check` prints it: verdict, phases as bars, what was seen."""

from __future__ import annotations

from datetime import datetime

from statustui.domain.monitor import MonitorSpec, target_of
from statustui.domain.observation import Certificate, Observation, RoundTrips
from statustui.domain.text import clean, shorten
from statustui.domain.verdict import CheckResult
from statustui.presenters import clock
from statustui.presenters.waterfall import lay_out, milliseconds

_BAR_COLUMNS = 48
_LABEL_COLUMNS = 12
_TEXT_COLUMNS = 84
_BODY_LINES = 5
_MOST_FIGURES = 20


def check_lines(
    spec: MonitorSpec, observation: Observation, result: CheckResult, at: datetime
) -> list[str]:
    """What a person reads of one look.

    Args:
        spec: what was looked at.
        observation: what was seen; its texts are cleaned here once more before they reach a
            terminal.
        result: what was made of it.
        at: the present, for how long the certificate still holds.

    Returns:
        Lines of at most 100 columns, without control characters.
    """
    took = milliseconds(observation.duration_ms)
    verdict = f"{result.status.value}  {spec.type.value} {target_of(spec.config)}  {took}"
    lines = [clean(verdict)]
    if result.reason:
        lines.append(_fact("why", result.reason))
    lines += [_fact("", failed) for failed in result.failed_conditions if failed != result.reason]
    lines += _bars(observation)
    lines += _addresses(observation)
    if observation.status_code is not None:
        spoken = f", in HTTP/{observation.http_version}" if observation.http_version else ""
        lines.append(_fact("status", f"HTTP {observation.status_code}{spoken}"))
    lines += [
        _fact("redirect", f"{hop.status_code} in {milliseconds(hop.duration_ms)} to {hop.url}")
        for hop in observation.redirects
    ]
    if observation.dns_rcode is not None:
        lines.append(_fact("rcode", observation.dns_rcode))
    if observation.dnssec is not None:
        lines.append(_fact("DNSSEC", observation.dnssec))
    lines += [_fact("answer", each) for each in observation.answers]
    if observation.rows is not None:
        lines.append(_fact("rows", f"{observation.rows:,}"))
    lines += _plugin(observation)
    if observation.loss_percent is not None:
        lines.append(_fact("loss", f"{observation.loss_percent:g} %"))
    lines += _round_trips(observation.round_trips)
    certificate = observation.certificate
    if certificate is not None:
        left = certificate.not_after - at
        ended = left.total_seconds() < 0
        ends = f"ended {clock.span(-left)} ago" if ended else f"ends in {clock.span(left)}"
        lines.append(
            _fact("certificate", f"{certificate.subject}, by {certificate.issuer}, {ends}")
        )
        lines += _details(certificate)
    lines += _body(observation)
    if observation.repeat_command:
        lines.append(_fact("repeat it", observation.repeat_command))
    return lines


def _addresses(observation: Observation) -> list[str]:
    """The address that was tried last, and the others of its name."""
    if not observation.address:
        return []
    lines = [_fact("address", observation.address)]
    # With a port behind it, but for a ping.
    known = {observation.address, observation.address.rpartition(":")[0].strip("[]")}
    if not known.issuperset(observation.addresses):
        lines.append(_fact("", f"of {', '.join(observation.addresses)}"))
    return lines


def _round_trips(trips: RoundTrips | None) -> list[str]:
    if trips is None:
        return []
    figures = [("min", trips.min_ms), ("avg", trips.avg_ms), ("max", trips.max_ms)]
    figures.append(("jitter", trips.jitter_ms))
    known = [f"{name} {value:.2f} ms" for name, value in figures if value is not None]
    return [_fact("round trips", ", ".join([f"{trips.received} of {trips.sent}", *known]))]


def _details(certificate: Certificate) -> list[str]:
    """The names, the chain from the leaf to the root, and the serial number."""
    lines = []
    if certificate.names and certificate.names != (certificate.subject,):
        lines.append(_fact("names", ", ".join(certificate.names)))
    if len(certificate.chain) > 1:
        lines.append(_fact("chain", " ← ".join(certificate.chain)))
    lines.append(_fact("serial", certificate.serial))
    return lines


def _fact(label: str, text: str) -> str:
    return f"  {label:<{_LABEL_COLUMNS}}{shorten(clean(text), _TEXT_COLUMNS)}"


def _bars(observation: Observation) -> list[str]:
    waterfall = lay_out(observation.phases, None, _BAR_COLUMNS)
    lines = [""]
    for bar in waterfall.bars:
        drawn = " " * bar.offset + "▄" * bar.length
        lines.append(
            f"  {bar.name:<{_LABEL_COLUMNS}}{drawn:<{_BAR_COLUMNS}} {milliseconds(bar.now_ms):>10}"
        )
    return [*lines, ""] if waterfall.bars else lines


def _plugin(observation: Observation) -> list[str]:
    """What a plugin said, and its figures, each with the ranges outside of which it warns."""
    if observation.exit_code is None:
        return []
    lines = [_fact("exit code", str(observation.exit_code))]
    said = [line for line in observation.output.splitlines() if line.strip()][:_BODY_LINES]
    lines += [_fact("said" if number == 0 else "", line) for number, line in enumerate(said)]
    for number, datum in enumerate(observation.perfdata[:_MOST_FIGURES]):
        value = "unknown" if datum.value is None else f"{datum.value:g}{datum.unit}"
        ranges = [
            f"warn {datum.warn}" if datum.warn else "",
            f"crit {datum.crit}" if datum.crit else "",
        ]
        shown = ", ".join(part for part in ranges if part)
        figure = f"{datum.label} {value}" + (f" ({shown})" if shown else "")
        lines.append(_fact("figures" if number == 0 else "", figure))
    return lines


def _body(observation: Observation) -> list[str]:
    text = clean(observation.body[:1000].decode("utf-8", "replace"), multiline=True)
    lines = [line for line in text.splitlines() if line.strip()][:_BODY_LINES]
    return [_fact("body" if number == 0 else "", line) for number, line in enumerate(lines)]
