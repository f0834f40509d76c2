"""From a request to an answer: which address means what.

    /                                     the only page, or the list of pages
    /s/{slug}                             the page; as text for curl and `Accept: text/plain`
    /s/{slug}/history[?month=2026-11]     incidents by month
    /s/{slug}/incidents/{code}            one incident
    /s/{slug}/page-{content}.css          the style sheet with the page's brand
    /static/…                             what belongs to no page
    /api/public/{slug}/status|services|incidents|incidents/{id}|uptime
    /healthz  /readyz                     for load balancers

Everything else, and every private page, is one and the same 404.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from typing import Final

from statustui.domain.errors import NotFound, StatustuiError
from statustui.presenters.page.history import parse_month
from statustui.presenters.publicapi import parse_days, parse_incident_query
from statustui.web import documents, rendering
from statustui.web.answers import Answer, prefers_plain_text
from statustui.web.health import Health
from statustui.web.http1 import Request
from statustui.web.pages import Build, Key, Pages, ServedPage

_STYLESHEET = re.compile(r"page-[0-9a-f]{12}\.css")
_SCRIPT = re.compile(r"page-[0-9a-f]{12}\.js")
_ICON = re.compile(r"icon-([a-z]{1,10})\.svg")

# How long one waits for a page that is being read for the first time, or after a long pause.
LOAD_WAIT_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 5

_CODES: Final = {
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    422: "VALIDATION_ERROR",
    429: "RATE_LIMITED",
    500: "INTERNAL_ERROR",
    503: "UNAVAILABLE",
}
_API_KINDS: Final = frozenset({"status", "services", "incidents", "uptime"})
_FIXED_ROUTES: Final = {"/": "start", "/healthz": "health", "/readyz": "health"}
_ALLOW: Final = ("Allow", "GET, HEAD")

Found = Answer | Awaitable[Answer]


class Routes:
    """Answers requests from the pages in memory.

    Args:
        pages: what is served.
        wanted: called when a page must be read before it can be answered, with the page and the
            number of days needed; gives something to wait for.
        health: how the process is.
        is_fresh: whether a page may be answered without waiting.
    """

    def __init__(
        self,
        pages: Pages,
        wanted: Callable[[ServedPage, int], Awaitable[None]],
        health: Callable[[], Health],
        is_fresh: Callable[[ServedPage], bool],
    ) -> None:
        self._pages = pages
        self._wanted = wanted
        self._health = health
        self._is_fresh = is_fresh
        self._fixed: dict[Key, Answer] = {}

    def answer(self, request: Request) -> Found:
        """The answer to a request, or something to wait for."""
        path = request.path
        try:
            if path.startswith("/s/"):
                return self._page(request, path[3:].split("/"))
            if path.startswith("/api/public/"):
                return self._api(request, path[12:].split("/"))
            if path == "/":
                return self._start(request)
            if path == "/healthz":
                return self._healthz()
            if path == "/readyz":
                return self._readyz()
            if path.startswith("/static/"):
                return self._static(request, path[8:])
        except StatustuiError as error:
            return documents.error_answer(error)
        return self.missing(request)

    def refuse(
        self, status: int, message: str, request: Request | None, retry_after_seconds: int
    ) -> Answer:
        """The answer to what is not answered: a bad request, a method, a flood.

        Args:
            status: the HTTP status.
            message: one plain sentence.
            request: None when there was none that could be read.
            retry_after_seconds: when to try again, 0 for no advice.
        """
        fields: tuple[tuple[str, str], ...] = ()
        if retry_after_seconds:
            fields = (("Retry-After", str(retry_after_seconds)),)
        if status == 405:
            fields = (*fields, _ALLOW)
        if request is not None and request.path.startswith("/api/"):
            code = _CODES.get(status, "VALIDATION_ERROR")
            return self._keep(
                ("json", status, message, fields),
                lambda: documents.failure(status, code, message, fields=fields),
            )
        return self._keep(
            ("text", status, message, fields),
            lambda: documents.text_failure(status, message, fields),
        )

    def missing(self, request: Request) -> Answer:
        """The one answer for what does not exist and for what may not be seen."""
        if request.path.startswith("/api/"):
            return self._keep(
                ("json", 404),
                lambda: documents.error_answer(NotFound("there is nothing at this address")),
            )
        if _wants_text(request):
            return self._keep(
                ("text", 404), lambda: documents.text_failure(404, "There is nothing here.")
            )
        return self._keep(
            ("html", 404),
            lambda: documents.message_page(
                404, "There is nothing here", "The address may be mistyped, or the page is gone."
            ),
        )

    def _keep(self, key: Key, make: Callable[[], Answer]) -> Answer:
        found = self._fixed.get(key)
        if found is None:
            if len(self._fixed) > 256:
                self._fixed.clear()
            found = self._fixed[key] = make()
        return found

    # Pages

    def _page(self, request: Request, parts: list[str]) -> Found:
        slug, *rest = parts
        plain = _wants_text(request)
        page = self._pages.get(slug)
        match rest:
            case []:
                build: Build = documents.page_plain if plain else documents.page_html
                return self._from_page(request, slug, ("page", plain), build)
            case [""] if page is not None:
                return self._redirect(f"/s/{slug}")
            case ["history"]:
                text = request.parameter("month")
                month = None if text is None else parse_month(text)
                if text is not None and month is None:
                    return self.missing(request)
                make = documents.history_plain if plain else documents.history_html
                return self._from_page(
                    request,
                    slug,
                    ("history", plain, month),
                    self._or_missing(request, partial(make, month=month)),
                )
            case ["incidents", key]:
                if page is not None and page.page is not None and not page.has_incident(key):
                    return self.missing(request)
                tell = documents.incident_plain if plain else documents.incident_html
                return self._from_page(
                    request,
                    slug,
                    ("incident", plain, key),
                    self._or_missing(request, partial(tell, key=key)),
                )
            case [name] if _STYLESHEET.fullmatch(name):
                path = request.path
                return self._from_page(
                    request,
                    slug,
                    ("sheet", "of", name),
                    lambda snapshot: documents.page_stylesheet(
                        snapshot.page, current=rendering.stylesheet_path(snapshot.page) == path
                    ),
                )
            case _:
                return self.missing(request)

    def _or_missing(
        self, request: Request, make: Callable[[documents.Snapshot], Answer | None]
    ) -> Build:
        return lambda snapshot: make(snapshot) or self.missing(request)

    def _api(self, request: Request, parts: list[str]) -> Found:
        slug, *rest = parts
        parameters = dict(request.parameters)
        match rest:
            case ["status"]:
                return self._from_page(request, slug, ("api", "status"), documents.api_status)
            case ["services"]:
                return self._from_page(request, slug, ("api", "services"), documents.api_services)
            case ["incidents"]:
                if self._pages.get(slug) is None:
                    return self._absent(request)
                query = parse_incident_query(parameters)
                return self._from_page(
                    request,
                    slug,
                    ("api", "incidents", query),
                    partial(documents.api_incidents, query=query),
                )
            case ["incidents", key]:
                page = self._pages.get(slug)
                if page is not None and page.page is not None and not page.has_incident(key):
                    return self.missing(request)
                return self._from_page(
                    request,
                    slug,
                    ("api", "incident", key),
                    lambda snapshot: _or_error(lambda: documents.api_incident(snapshot, key)),
                )
            case ["uptime"]:
                if self._pages.get(slug) is None:
                    return self._absent(request)
                days = parse_days(parameters)
                return self._from_page(
                    request,
                    slug,
                    ("api", "uptime", days),
                    partial(documents.api_uptime, days=days),
                    days=days,
                )
            case _:
                return self.missing(request)

    def _from_page(
        self, request: Request, slug: str, key: Key, build: Build, *, days: int = 0
    ) -> Found:
        page = self._pages.get(slug)
        if page is None:
            return self._absent(request)
        fresh = page.page is not None and days <= page.days and self._is_fresh(page)
        page.asked = monotonic()
        if fresh:
            return page.answer(key, build)
        return self._after_reading(request, page, key, build, days)

    def _absent(self, request: Request) -> Answer:
        if self._pages.loaded:
            return self.missing(request)
        return self.unavailable(request)

    def unavailable(self, request: Request) -> Answer:
        """Said while nothing could be read from the database yet."""
        message = "the page cannot be read from its database yet"
        if request.path.startswith("/api/") or _wants_text(request):
            return self.refuse(503, message, request, RETRY_SECONDS)
        return documents.message_page(
            503,
            "This page is not available yet",
            "It could not be read so far. Please try again in a moment.",
            (("Retry-After", str(RETRY_SECONDS)),),
        )

    async def _after_reading(
        self, request: Request, page: ServedPage, key: Key, build: Build, days: int
    ) -> Answer:
        """Wait for one reading, which all who ask share; then answer from what there is."""
        try:
            async with asyncio.timeout(LOAD_WAIT_SECONDS if page.page is None else 1.0):
                await self._wanted(page, days)
        except TimeoutError:
            pass
        if self._pages.get(page.entry.slug) is not page:
            return self.missing(request)
        if page.page is None:
            return self.unavailable(request)
        found = page.answer(key, build)
        return found if isinstance(found, Answer) else await found

    # The rest

    def _start(self, request: Request) -> Found:
        pages = self._pages.all()
        if not self._pages.loaded:
            return self.unavailable(request)
        if not pages:
            return self.missing(request)
        if len(pages) == 1:
            return self._redirect(f"/s/{pages[0].entry.slug}", permanent=False)
        return Answer(
            200,
            documents.HTML,
            rendering.render_index([(page.entry.slug, page.entry.name) for page in pages]),
            cache_control=documents.SHARED,
        )

    def _redirect(self, to: str, *, permanent: bool = True) -> Answer:
        return Answer(
            308 if permanent else 307,
            documents.TEXT,
            f"{to}\n".encode(),
            cache_control=documents.NEVER,
            fields=(("Location", to),),
            revalidate=False,
        )

    def _healthz(self) -> Answer:
        health = self._health()
        is_well = health.database and self._pages.loaded
        told: dict[str, object] = {
            "status": "ok" if is_well else "unavailable",
            "database": "ok" if health.database else "unavailable",
            "engine": health.engine,
            "web": "ok" if self._pages.loaded else "starting",
        }
        if health.spooled_results:
            told["spool"] = {"results": health.spooled_results, "bytes": health.spool_bytes}
        return documents.plain_json(200 if is_well else 503, told)

    def _readyz(self) -> Answer:
        health = self._health()
        if not self._pages.loaded:
            status = "starting"
        else:
            status = "ready" if health.database else "unavailable"
        return documents.plain_json(
            200 if status == "ready" else 503,
            {"status": status, "database": "ok" if health.database else "unavailable"},
        )

    def _static(self, request: Request, name: str) -> Answer:
        if _STYLESHEET.fullmatch(name):
            return self._file(
                f"/static/{name}" == rendering.shared_stylesheet_path(),
                documents.CSS,
                rendering.base_stylesheet().encode(),
            )
        if _SCRIPT.fullmatch(name):
            return self._file(
                f"/static/{name}" == rendering.script_path(),
                documents.SCRIPT,
                rendering.script().encode(),
            )
        icon = _ICON.fullmatch(name)
        body = None if icon is None else rendering.render_icon(icon.group(1))
        if body is None:
            return self.missing(request)
        return self._keep(
            ("icon", name),
            lambda: Answer(200, documents.SVG, body, cache_control=documents.A_DAY),
        )

    def _file(self, current: bool, content_type: str, body: bytes) -> Answer:
        control = documents.FOREVER if current else documents.SHARED
        return self._keep(
            ("file", content_type, current),
            lambda: Answer(200, content_type, body, cache_control=control),
        )


def route_of(path: str) -> str:
    """The name under which requests for a path are counted: one of few, whatever is asked for."""
    if path.startswith("/s/"):
        rest = path[3:].partition("/")[2]
        if rest.startswith("incidents/"):
            return "incident"
        if rest in ("", "history"):
            return rest or "page"
        return "style" if rest.endswith(".css") else "other"
    if path.startswith("/api/public/"):
        kind = path[12:].partition("/")[2].partition("/")[0]
        return f"api_{kind}" if kind in _API_KINDS else "other"
    if path.startswith("/static/"):
        return "static"
    return _FIXED_ROUTES.get(path, "other")


def _wants_text(request: Request) -> bool:
    return prefers_plain_text(request.field("accept") or "", request.field("user-agent") or "")


def _or_error(make: Callable[[], Answer]) -> Answer:
    try:
        return make()
    except StatustuiError as error:
        return documents.error_answer(error)
