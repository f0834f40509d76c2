"""Says what was seen with a failure: as lines, as text for the command line, as JSON.

What changed since the last good look stands on one line with what was noted around it, as in
"address 10.0.0.9 to 10.0.0.5;  03:09 deploy by ci": between the two lies the cause more often than
not.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from statustui.domain.evidence_changes import Change
from statustui.domain.readmodels import Evidence, Mark
from statustui.presenters import clock
from statustui.presenters.clock import iso
from statustui.presenters.line import Line, Part, cut

Json = dict[str, object]

_LONGEST_VALUE = 40
_MOST_ON_A_LINE = 3


def change_words(change: Change, longest: int = _LONGEST_VALUE) -> str:
    """One change in words: "address 10.0.0.9 to 10.0.0.5", "header server nginx is gone".

    Args:
        change: what changed; longest: columns of each of its values.
    """
    before, after = cut(change.before, longest), cut(change.after, longest)
    if not before:
        return f"{change.what} {after} is new"
    if not after:
        return f"{change.what} {before} is gone"
    return f"{change.what} {before} to {after}"


def mark_words(mark: Mark, zone: tzinfo) -> str:
    """One mark in words: "03:09 deploy 1.42 by ci"."""
    who = mark.source or mark.author
    return f"{clock.clock(mark.at, zone)} {mark.text}{f' by {who}' if who else ''}"


def changed_line(evidence: Evidence | None, zone: tzinfo) -> Line:
    """What changed since the last good look and what was noted around then; empty for nothing.

    Args:
        evidence: of the failure, None without any.
        zone: of clock times.
    """
    if evidence is None:
        return ()
    parts: list[Part] = []
    for change in evidence.changes[:_MOST_ON_A_LINE]:
        parts += [("; " if parts else "", "muted"), (change_words(change), "text")]
    more = len(evidence.changes) - _MOST_ON_A_LINE
    if more > 0:
        parts.append((f" and {more} more", "muted"))
    for mark in evidence.marks[:_MOST_ON_A_LINE]:
        parts += [(";  " if parts else "", "muted"), (mark_words(mark, zone), "strong b")]
    return tuple(part for part in parts if part[0])


def evidence_text(found: Sequence[Evidence], now: datetime, zone: tzinfo) -> str:
    """The evidence of a monitor as text, the newest first.

    Args:
        found: one for each region; now: the present moment; zone: of clock times.
    """
    if not found:
        return "no failure was seen so far, so there is no evidence"
    return "\n\n".join("\n".join(_block(each, now, zone)) for each in found)


def _block(evidence: Evidence, now: datetime, zone: tzinfo) -> list[str]:
    kind = f" ({evidence.error_kind.value})" if evidence.error_kind is not None else ""
    facts: list[tuple[str, str]] = [("error", f"{evidence.reason}{kind}")]
    if evidence.last_good_at is not None:
        facts.append(("last good", clock.moment(evidence.last_good_at, now, zone)))
    facts += [("changed", change_words(each, longest=120)) for each in evidence.changes]
    if evidence.last_good_at is not None and not evidence.changes:
        facts.append(("changed", "nothing that both looks saw"))
    facts += [("noted", mark_words(each, zone)) for each in evidence.marks]
    if evidence.address:
        facts.append(("address", evidence.address))
    if evidence.status_code is not None:
        facts.append(("answer", f"HTTP {evidence.status_code}"))
    if evidence.answers:
        facts.append(("answers", ", ".join(evidence.answers)))
    phases = _phase_words(evidence)
    if phases:
        facts.append(("phases", phases))
    facts += evidence.further
    facts += [("header", f"{name}: {value}") for name, value in evidence.headers.items()]
    if evidence.repeat_command:
        facts.append(("repeat it", evidence.repeat_command))
    width = max(len(label) for label, _ in facts)
    seen = clock.moment(evidence.at, now, zone)
    lines = [f"{evidence.service_name}/{evidence.monitor_name} from {evidence.region}, {seen}"]
    previous = ""
    for label, words in facts:
        lines.append(f"  {'' if label == previous else label:<{width}}  {words}")
        previous = label
    if evidence.body_text:
        lines.append("  body")
        lines += [f"    {line}" for line in evidence.body_text.splitlines()]
    return lines


def _phases(evidence: Evidence) -> dict[str, float]:
    names = ("resolve_ms", "connect_ms", "tls_ms", "first_byte_ms", "transfer_ms")
    return {name: value for name in names if (value := getattr(evidence.phases, name)) is not None}


def _phase_words(evidence: Evidence) -> str:
    return ", ".join(
        f"{name.removesuffix('_ms').replace('_', ' ')} {value:.1f} ms"
        for name, value in _phases(evidence).items()
    )


def evidence_document(evidence: Evidence) -> Json:
    """One piece of evidence as JSON."""
    certificate = evidence.certificate
    return {
        "monitor_id": str(evidence.monitor_id),
        "monitor_name": evidence.monitor_name,
        "service_name": evidence.service_name,
        "region": evidence.region,
        "at": iso(evidence.at),
        "error_kind": evidence.error_kind.value if evidence.error_kind else None,
        "reason": evidence.reason or None,
        "last_good_at": iso(evidence.last_good_at),
        "changed": [
            {"what": each.what, "before": each.before or None, "after": each.after or None}
            for each in evidence.changes
        ],
        "marks": [
            {
                "at": iso(each.at),
                "text": each.text,
                "source": each.source or None,
                "link": each.link,
                "services": list(each.services),
                "author": each.author,
            }
            for each in evidence.marks
        ],
        "address": evidence.address or None,
        "status_code": evidence.status_code,
        "answers": list(evidence.answers),
        "phases": _phases(evidence),
        "certificate": None
        if certificate is None
        else {
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "serial": certificate.serial,
            "not_after": iso(certificate.not_after),
            "names": list(certificate.names),
        },
        "further": dict(evidence.further),
        "headers": dict(evidence.headers),
        "body": evidence.body_text or None,
        "repeat_command": evidence.repeat_command or None,
    }
