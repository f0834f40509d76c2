"""The page as plain text, for who reads it with curl."""

from __future__ import annotations

import textwrap
from typing import Final

from statustui.domain.publicmodels import PublicIncident
from statustui.domain.status import ServiceStatus
from statustui.presenters.markdown import to_text
from statustui.presenters.page.history import MonthView
from statustui.presenters.page.incidents import IncidentView
from statustui.presenters.page.times import full
from statustui.presenters.page.view import PageView, ServiceView

WIDTH: Final = 78

_SIGNS: Final = {
    ServiceStatus.OPERATIONAL: "ok",
    ServiceStatus.DEGRADED_PERFORMANCE: "!",
    ServiceStatus.PARTIAL_OUTAGE: "!!",
    ServiceStatus.MAJOR_OUTAGE: "!!!",
    ServiceStatus.UNDER_MAINTENANCE: "~",
}


def page_text(view: PageView, incidents: dict[str, PublicIncident]) -> str:
    """The whole page.

    Args:
        view: the page.
        incidents: the incidents by code, for their texts as they were written.
    """
    top = view.banner
    lines = [view.name, "=" * min(len(view.name), WIDTH), ""]
    if view.stale:
        lines += [f"As of {view.stale}: this page cannot be brought up to date.", ""]
    lines.append(top.headline)
    if top.lead:
        lines += _wrapped(top.lead)
    if top.recent:
        lines += _wrapped(f"{top.recent}.")
    facts = []
    if top.since is not None:
        facts.append(f"Since {top.since.text} ({top.since_note}).")
    if top.updated is not None:
        facts.append(f"Updated {top.updated.text} ({top.updated_note}).")
    if top.looked is not None:
        note = f": {top.looked_note}" if top.looked_note else ""
        facts.append(f"Last look {top.looked.text}{note}.")
    if facts:
        lines += _wrapped(" ".join(facts))
    if top.promise is not None:
        note = f" ({top.promise.note})" if top.promise.note else ""
        lines += _wrapped(f"{top.promise.label} {top.promise.moment.text}{note}.")
    for incident in view.incidents:
        lines += ["", *_incident(incident, incidents.get(incident.code))]
    for window in view.running:
        lines += ["", f"MAINTENANCE  {window.title}", f"  {window.when}, {window.remaining}"]
        if window.services:
            lines += _wrapped(window.services, indent=2)
    if view.affected:
        lines += ["", "Affected", *(_service(service) for service in view.affected)]
    for group in view.groups:
        title = group.name or ("Everything else" if view.affected else "Services")
        lines += ["", f"{title}: {group.note}", *(_service(service) for service in group.services)]
    if view.upcoming:
        lines += ["", "Upcoming maintenance"]
        for window in view.upcoming:
            lines += _wrapped(f"{window.when}  {window.title}", indent=2)
    lines += ["", "Last 14 days"]
    for entry in view.history:
        if entry.note:
            lines.append(f"  {entry.when:<16} {entry.note}")
        for incident in entry.incidents:
            lines.append(f"  {entry.when:<16} {incident.title} ({incident.length})")
    lines += ["", f"As of {view.as_of}. All times are UTC."]
    return "\n".join(lines) + "\n"


def incident_text(view: PageView, incident: IncidentView, source: PublicIncident) -> str:
    """One incident with all its updates."""
    lines = [*_incident(incident, source)]
    if source.postmortem:
        lines += ["", "Post-mortem", *_wrapped(to_text(source.postmortem), indent=2)]
    lines += ["", f"As of {view.as_of}. All times are UTC."]
    return "\n".join(lines) + "\n"


def history_text(view: PageView, month: MonthView) -> str:
    """One month of incidents."""
    lines = [f"{view.name}: {month.name}", ""]
    for entry in month.entries:
        for incident in entry.incidents:
            lines.append(f"  {entry.when:<16} {incident.title} ({incident.length})")
    if not month.entries:
        lines.append(f"  No incidents in {month.name}.")
    return "\n".join(lines) + "\n"


def _incident(incident: IncidentView, source: PublicIncident | None) -> list[str]:
    lines = [
        f"{incident.impact.upper()}  {incident.title}",
        f"  Incident {incident.code}, {incident.length}, started {incident.started.text}",
    ]
    if incident.affected:
        lines += _wrapped("Affects " + ", ".join(each.name for each in incident.affected), indent=2)
    if incident.promise:
        lines.append(f"  {incident.promise}")
    for update in source.updates if source is not None else ():
        lines += ["", f"  {full(update.created_at)}  {update.status.capitalize()}"]
        lines += _wrapped(to_text(update.message), indent=4)
        if update.still_works:
            lines += _wrapped(f"Still works: {to_text(update.still_works)}", indent=4)
    return lines


def _service(service: ServiceView) -> str:
    figures = service.strip.figures
    uptime = (
        figures.uptime
        if figures.coverage is None
        else (f"{figures.uptime} (coverage {figures.coverage})")
    )
    since = f", since {service.since.text}" if service.since is not None else ""
    return f"  {_SIGNS[service.status]:<3} {service.name}: {service.word}{since}  {uptime}"


def _wrapped(text: str, indent: int = 0) -> list[str]:
    pad = " " * indent
    return [
        line
        for paragraph in text.split("\n")
        for line in textwrap.wrap(
            paragraph, WIDTH, initial_indent=pad, subsequent_indent=pad, break_long_words=False
        )
    ]
