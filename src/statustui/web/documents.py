"""Turns a page into finished answers: one function per kind of address, each called once per
revision and minute, away from the event loop."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from statustui.domain.errors import NotFound, StatustuiError
from statustui.domain.publicmodels import PublicIncident, PublicPage
from statustui.presenters.page.history import month_view
from statustui.presenters.page.incidents import incident_view
from statustui.presenters.page.text import history_text, incident_text, page_text
from statustui.presenters.page.view import PageView, page_view
from statustui.presenters.publicapi import (
    IncidentQuery,
    find_incident,
    incident_document,
    incidents_document,
    services_document,
    status_document,
    uptime_document,
)
from statustui.web import rendering
from statustui.web.answers import Answer

HTML: Final = "text/html; charset=utf-8"
TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"
CSS: Final = "text/css; charset=utf-8"
SCRIPT: Final = "text/javascript; charset=utf-8"
SVG: Final = "image/svg+xml"

# A cache may answer for five seconds without asking, for thirty more while it asks, and for a day
# when nobody answers it: a storm of readers reaches this process once in five seconds.
SHARED: Final = "public, max-age=5, stale-while-revalidate=30, stale-if-error=86400"
# Chosen by who asks, so no shared cache may hand it to somebody else.
OWN: Final = "private, max-age=5"
FOREVER: Final = "public, max-age=31536000, immutable"
A_DAY: Final = "public, max-age=86400"
NEVER: Final = "no-store"

ANY_ORIGIN: Final = (("Access-Control-Allow-Origin", "*"),)


@dataclass(frozen=True)
class Snapshot:
    """A page at a moment, from which all its answers are made.

    Attributes:
        page: as it was read last.
        at: the moment that relative times count from.
        stale: whether the page can no longer be brought up to date.
    """

    page: PublicPage
    at: datetime
    stale: bool

    @cached_property
    def view(self) -> PageView:
        """The page in words, made once."""
        return page_view(self.page, self.at, stale=self.stale)

    @cached_property
    def by_code(self) -> dict[str, PublicIncident]:
        """The incidents by their codes."""
        return {incident.code: incident for incident in self.page.incidents}


def page_html(snapshot: Snapshot) -> Answer:
    """The page itself."""
    return _html(rendering.render_page(snapshot.page, snapshot.view))


def page_plain(snapshot: Snapshot) -> Answer:
    """The page as text."""
    return _plain(page_text(snapshot.view, snapshot.by_code))


def incident_html(snapshot: Snapshot, key: str) -> Answer | None:
    """One incident's permanent page, None when there is none by that key."""
    incident = find_incident(snapshot.page, key)
    if incident is None:
        return None
    view = incident_view(incident, snapshot.at)
    return _html(rendering.render_incident(snapshot.page, snapshot.view, view))


def incident_plain(snapshot: Snapshot, key: str) -> Answer | None:
    """One incident as text, None when there is none by that key."""
    incident = find_incident(snapshot.page, key)
    if incident is None:
        return None
    return _plain(incident_text(snapshot.view, incident_view(incident, snapshot.at), incident))


def history_html(snapshot: Snapshot, month: tuple[int, int] | None) -> Answer | None:
    """One month, None when it is not part of the history."""
    chosen = month_view(snapshot.page, month, snapshot.at)
    if chosen is None:
        return None
    return _html(rendering.render_history(snapshot.page, snapshot.view, chosen))


def history_plain(snapshot: Snapshot, month: tuple[int, int] | None) -> Answer | None:
    """One month as text, None when it is not part of the history."""
    chosen = month_view(snapshot.page, month, snapshot.at)
    return None if chosen is None else _plain(history_text(snapshot.view, chosen))


def page_stylesheet(page: PublicPage, *, current: bool) -> Answer:
    """The style sheet with the page's brand.

    Args:
        current: whether it was asked for by the name that its present content has; only then
            may it be kept for ever.
    """
    sheet = rendering.stylesheet(page.brand_color).encode()
    return Answer(200, CSS, sheet, cache_control=FOREVER if current else SHARED)


def api_status(snapshot: Snapshot) -> Answer:
    """`status`."""
    return data_answer(status_document(snapshot.page, snapshot.at))


def api_services(snapshot: Snapshot) -> Answer:
    """`services`."""
    return data_answer(services_document(snapshot.page))


def api_incidents(snapshot: Snapshot, query: IncidentQuery) -> Answer:
    """`incidents`, one page of them."""
    incidents, pagination = incidents_document(snapshot.page, query)
    return data_answer(incidents, pagination)


def api_incident(snapshot: Snapshot, key: str) -> Answer:
    """`incidents/{id}`.

    Raises:
        NotFound: there is none by that id or code.
    """
    incident = find_incident(snapshot.page, key)
    if incident is None:
        raise NotFound("no incident with that id")
    return data_answer(incident_document(incident))


def api_uptime(snapshot: Snapshot, days: int) -> Answer:
    """`uptime`."""
    return data_answer(uptime_document(snapshot.page, days, snapshot.at))


def data_answer(data: object, pagination: object = None) -> Answer:
    """A successful JSON answer."""
    document = {"data": data} if pagination is None else {"data": data, "pagination": pagination}
    return Answer(200, JSON, _json(document), cache_control=SHARED, fields=ANY_ORIGIN)


def plain_json(status: int, document: object) -> Answer:
    """JSON that is about this moment only."""
    return Answer(status, JSON, _json(document), cache_control=NEVER, revalidate=False)


def error_answer(error: StatustuiError, *, retry_after_seconds: int = 0) -> Answer:
    """A failure as JSON."""
    return failure(
        error.http_status, error.code, error.message, retry_after_seconds=retry_after_seconds
    )


def failure(
    status: int,
    code: str,
    message: str,
    *,
    retry_after_seconds: int = 0,
    fields: tuple[tuple[str, str], ...] = (),
) -> Answer:
    """A failure as JSON, by its parts."""
    if retry_after_seconds:
        fields = (*fields, ("Retry-After", str(retry_after_seconds)))
    return Answer(
        status,
        JSON,
        _json({"error": {"code": code, "message": message}}),
        cache_control=NEVER,
        fields=(*ANY_ORIGIN, *fields),
        revalidate=False,
    )


def text_failure(status: int, message: str, fields: tuple[tuple[str, str], ...] = ()) -> Answer:
    """A failure in one line of text."""
    return Answer(
        status, TEXT, f"{message}\n".encode(), cache_control=NEVER, fields=fields, revalidate=False
    )


def message_page(
    status: int, headline: str, lead: str, fields: tuple[tuple[str, str], ...] = ()
) -> Answer:
    """A failure as a page."""
    return Answer(
        status,
        HTML,
        rendering.render_message(headline, lead),
        cache_control=NEVER,
        fields=fields,
        vary="Accept",
        revalidate=False,
    )


def _html(body: bytes) -> Answer:
    return Answer(200, HTML, body, cache_control=SHARED, vary="Accept")


def _plain(text: str) -> Answer:
    return Answer(200, TEXT, text.encode(), cache_control=OWN, vary="Accept, User-Agent")


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
