"""From views to bytes: templates, the style sheet with each page's brand, signs for the tab.

Everything that depends on a colour reads it from the style sheet, so that a colour is written down
once; everything that came from outside passes through the templates' escaping, except what
`presenters.markdown` has already made safe.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import groupby
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from statustui.domain.publicmodels import PublicPage
from statustui.domain.status import ServiceStatus
from statustui.presenters.brand import is_colour, legible, luminance
from statustui.presenters.page.days import DayBar, DayStrip
from statustui.presenters.page.history import MonthView
from statustui.presenters.page.incidents import IncidentView
from statustui.presenters.page.times import day, days, machine
from statustui.presenters.page.view import PageView

# The class that carries a status's colours in the style sheet, and the name of its sign.
COLOUR_CLASSES: Final = {
    ServiceStatus.OPERATIONAL: "well",
    ServiceStatus.DEGRADED_PERFORMANCE: "slow",
    ServiceStatus.PARTIAL_OUTAGE: "part",
    ServiceStatus.MAJOR_OUTAGE: "down",
    ServiceStatus.UNDER_MAINTENANCE: "work",
}
NO_DATA_CLASS: Final = "none"
# Up to this luminance a white letter has the contrast of 3:1 that large signs need.
_LIGHT_FROM: Final = 0.3


@dataclass(frozen=True, slots=True)
class SheetColours:
    """The colours of the style sheet that other parts need, each as `#rrggbb`."""

    brand: str
    light_ground: str
    dark_ground: str
    light_grounds: tuple[str, ...]
    dark_grounds: tuple[str, ...]
    bars: dict[str, str]


@lru_cache(maxsize=1)
def base_stylesheet() -> str:
    """The style sheet as it is kept in the package."""
    return _static("page.css")


@lru_cache(maxsize=1)
def script() -> str:
    """The script that the page can do without."""
    return _static("page.js")


def _static(name: str) -> str:
    return (files("statustui.web") / "static" / name).read_text("utf-8")


@lru_cache(maxsize=1)
def sheet_colours() -> SheetColours:
    """Read the grounds, bands and bars out of the style sheet."""
    sheet = base_stylesheet()
    dark_start = sheet.index("prefers-color-scheme: dark")
    light, dark = sheet[:dark_start], sheet[dark_start:]
    kinds = [*COLOUR_CLASSES.values(), NO_DATA_CLASS]

    def colour(part: str, name: str) -> str:
        found = re.search(rf"--{name}: (#[0-9a-f]{{6}})", part)
        if found is None:
            raise ValueError(f"the style sheet has no --{name}")
        return found.group(1)

    def grounds(part: str) -> tuple[str, ...]:
        return tuple(colour(part, name) for name in ("ground", *(f"{kind}-band" for kind in kinds)))

    return SheetColours(
        brand=colour(light, "brand"),
        light_ground=colour(light, "ground"),
        dark_ground=colour(dark, "ground"),
        light_grounds=grounds(light),
        dark_grounds=grounds(dark),
        bars={kind: colour(light, f"{kind}-bar") for kind in kinds},
    )


@lru_cache(maxsize=256)
def stylesheet(brand_color: str) -> str:
    """The style sheet of a page, with its brand made legible.

    Args:
        brand_color: `#RRGGBB`; anything else is taken for the default brand.
    """
    sheet = base_stylesheet()
    if not is_colour(brand_color):
        return sheet
    colours = sheet_colours()
    ink = legible(brand_color, colours.light_grounds, towards_white=False)
    dark_ink = legible(brand_color, colours.dark_grounds, towards_white=True)
    above = "black" if luminance(brand_color) > _LIGHT_FROM else "white"
    return (
        f"{sheet}\n:root {{ --brand: {brand_color.lower()}; --brand-ink: {ink}; "
        f"--brand-ink-dark: {dark_ink}; --on-brand: {above} }}\n"
    )


@lru_cache(maxsize=256)
def fingerprint(text: str) -> str:
    """A short name for some content, which changes whenever the content does."""
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def colour_class(status: ServiceStatus | None) -> str:
    """The class for a status, the one of "no data" for None."""
    return NO_DATA_CLASS if status is None else COLOUR_CLASSES[status]


def bars_markup(strip: DayStrip, many: bool) -> Markup:
    """The bars of a strip.

    Args:
        strip: the days.
        many: whether the page has so many services that clean days carry no title of their own;
            the list that opens below the strip still says them all.
    """
    if not many:
        return Markup("".join(map(_bar, strip.bars)))
    return Markup(
        "".join(
            piece
            for is_clean, run in groupby(strip.bars, key=_is_clean)
            for piece in (_clean_run(list(run)) if is_clean else map(_bar, run))
        )
    )


def _is_clean(bar: DayBar) -> bool:
    return (
        bar.status is ServiceStatus.OPERATIONAL
        and not bar.pale
        and bar.title.partition(": ")[2] == "100%, coverage 100%"
    )


def _bar(bar: DayBar) -> str:
    names = [] if bar.status is ServiceStatus.OPERATIONAL else [colour_class(bar.status)]
    if bar.pale:
        names.append("pale")
    marked = f' class="{" ".join(names)}"' if names else ""
    return f'<i{marked} title="{escape(bar.title)}"></i>'


def _clean_run(run: Sequence[DayBar]) -> list[str]:
    """Clean neighbours: the first says for all of them what they were."""
    today = run[-1].on
    if len(run) == 1:
        title = f"{day(run[0].on, today)}: 100%, coverage 100%"
    else:
        title = f"{days(run[0].on, run[-1].on, today)}: {len(run)} days, each 100%, coverage 100%"
    return [f'<i title="{escape(title)}"></i>', *(["<i></i>"] * (len(run) - 1))]


def _safe_html(text: str) -> Markup:
    """Mark what `presenters.markdown` made as safe."""
    return Markup(text)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("statustui.web", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        bars=bars_markup, colour=colour_class, machine=machine, safe_html=_safe_html
    )
    environment.globals["colours"] = sheet_colours()
    return environment


def stylesheet_path(page: PublicPage) -> str:
    """Where a page's style sheet is; the name changes with its content."""
    return f"/s/{page.slug}/page-{fingerprint(stylesheet(page.brand_color))}.css"


def shared_stylesheet_path() -> str:
    """Where the style sheet is for answers that belong to no page."""
    return f"/static/page-{fingerprint(base_stylesheet())}.css"


def script_path() -> str:
    """Where the script is."""
    return f"/static/page-{fingerprint(script())}.js"


def icon_path(status: ServiceStatus | None) -> str:
    """Where the sign for the tab is."""
    return f"/static/icon-{colour_class(status)}.svg"


def render_page(page: PublicPage, view: PageView) -> bytes:
    """The page itself."""
    return _render_for("page.html", page, view, view.title, view.description, view.banner.status)


def render_incident(page: PublicPage, view: PageView, incident: IncidentView) -> bytes:
    """The permanent page of one incident."""
    return _render_for(
        "incident.html",
        page,
        view,
        f"{incident.title} – {view.name}",
        f"{incident.status_word}: {incident.excerpt or incident.title}",
        incident.colour if incident.is_open else ServiceStatus.OPERATIONAL,
        incident=incident,
    )


def render_history(page: PublicPage, view: PageView, month: MonthView) -> bytes:
    """One month of the history."""
    return _render_for(
        "history.html",
        page,
        view,
        f"History, {month.name} – {view.name}",
        f"Incidents of {month.name}.",
        view.banner.status,
        month=month,
    )


def _render_for(
    template: str,
    page: PublicPage,
    view: PageView,
    title: str,
    description: str,
    status: ServiceStatus | None,
    **values: object,
) -> bytes:
    return _render(
        template,
        title=title,
        description=description,
        theme=view.theme,
        site_name=view.name,
        indexed=True,
        icon=icon_path(status),
        stylesheet=stylesheet_path(page),
        script=script_path(),
        view=view,
        **values,
    )


def render_message(headline: str, lead: str) -> bytes:
    """A page that only says something: there is nothing here, not now."""
    return _render_shared("message.html", headline, lead, headline=headline, lead=lead)


def render_index(pages: Sequence[tuple[str, str]]) -> bytes:
    """The list of pages, where there are several.

    Args:
        pages: slug and name of each.
    """
    return _render_shared("index.html", "Status pages", "Status pages served here.", pages=pages)


def _render_shared(template: str, title: str, description: str, **values: object) -> bytes:
    return _render(
        template,
        title=title,
        description=description,
        theme="auto",
        site_name="",
        indexed=False,
        icon=icon_path(None),
        stylesheet=shared_stylesheet_path(),
        script="",
        **values,
    )


def render_icon(kind: str) -> bytes | None:
    """The sign for the tab, None for a kind that does not exist."""
    colours = sheet_colours()
    if kind not in colours.bars:
        return None
    return _render("icon.svg", kind=kind, fill=colours.bars[kind], ground=colours.light_ground)


def _render(template: str, **values: object) -> bytes:
    return _environment().get_template(template).render(**values).encode()
