"""Shows a public post before anybody can read it: the page now beside the page after.

Both halves are made by the functions that make the page itself, from the same values; the page
after is the page now with the post applied to those values. What is shown here can differ from
the page only in layout, never in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from difflib import SequenceMatcher
from uuid import UUID

from statustui.domain.publicmodels import (
    PublicIncident,
    PublicPage,
)
from statustui.domain.readmodels import (
    Board,
    IncidentSummary,
    PageInfo,
)
from statustui.domain.status import (
    IncidentStatus,
    ServiceStatus,
    Visibility,
)
from statustui.palette import glyph_of, token_of, word_of
from statustui.presenters import clock
from statustui.presenters.composer import Written
from statustui.presenters.incident import Fact, failing_words
from statustui.presenters.line import (
    Line,
    Part,
    cell_width,
    count_of,
    cut_line,
    join_names,
    pad,
    plain,
    wrap,
)
from statustui.presenters.markdown_lines import message_lines
from statustui.presenters.page.banner import banner
from statustui.presenters.page.incidents import incident_view
from statustui.presenters.preview_page import is_on

AFFECTED_MOST = 8
UPDATES_MOST = 3


@dataclass(frozen=True, slots=True)
class PageLine:
    """One line of the page in words.

    Attributes:
        line: as painted.
        key: what makes two lines the same one; equal keys stand level and are never marked,
            whatever their text: the time of the newest update changes with every update.
    """

    line: Line
    key: str


@dataclass(frozen=True, slots=True)
class PairedLine:
    """A line of the page now beside the line of the page after at the same height.

    Attributes:
        before, after: None where the side leaves a gap.
        mark: "+" on what is new, "-" on what is gone, "~" where one stands for the other.
    """

    before: Line | None
    after: Line | None
    mark: str


def page_lines(page: PublicPage, code: str, now: datetime, width: int) -> tuple[PageLine, ...]:
    """The part of a page that a post can change, in words.

    Args:
        page: now or after; code: the incident that is written about.
        now: the present moment; width: columns.
    """
    top = banner(page, now)
    lines: list[PageLine] = []
    status = top.status or ServiceStatus.OPERATIONAL
    token = token_of(status)
    texts = wrap(top.headline, width - 2)
    for number, text in enumerate(texts):
        sign = f"{glyph_of(status)} " if number == 0 else "  "
        _add(lines, ((f"{sign}{text}", f"{token} b"),), f"headline:{top.headline}:{number}")
    for number, text in enumerate(wrap(top.lead, width - 2) if top.lead else ()):
        _add(lines, ((f"  {text}", "text"),), f"lead:{top.lead}:{number}")
    times = [
        *([f"since {top.since.text}"] if top.since is not None else []),
        *([f"updated {top.updated.text}"] if top.updated is not None else []),
    ]
    for number, text in enumerate(wrap(", ".join(times), width - 2) if times else ()):
        _add(lines, ((f"  {text}", "muted"),), f"times:{number}")
    shown = next((each for each in page.incidents if each.code == code), None)
    if shown is not None:
        _add(lines, (), "gap:incident")
        lines.extend(_incident_lines(shown, now, width))
    others = [each for each in page.incidents if each is not shown]
    if others:
        _add(lines, (), "gap:others")
        for each in others:
            _add(
                lines,
                cut_line(((each.title, "text"), (f"  {each.status.value}", "muted")), width),
                f"other:{each.code}",
            )
    _add(lines, (), "gap:services")
    lines.extend(_service_lines(page, width))
    return tuple(lines)


def _add(lines: list[PageLine], line: Line, key: str) -> None:
    lines.append(PageLine(line, key))


def _incident_lines(incident: PublicIncident, now: datetime, width: int) -> list[PageLine]:
    view = incident_view(incident, now)
    lines: list[PageLine] = []
    for text in wrap(view.title, width):
        _add(lines, ((text, "strong b"),), f"title:{text}")
    if not view.updates:
        _add(lines, (("no words yet", "muted"),), "no words")
        return lines
    for number, (update, shown) in enumerate(
        zip(incident.updates[:UPDATES_MOST], view.updates[:UPDATES_MOST], strict=True)
    ):
        source = f"{shown.source[:1].lower()}{shown.source[1:]}"
        said = f"{shown.word}, {shown.posted.text}, {source}"
        for row, text in enumerate(wrap(said, width)):
            _add(lines, ((text, "text"),), f"said:{update.id}:{row}")
        for row, line in enumerate(message_lines(update.message, width)):
            _add(lines, line, f"message:{update.id}:{row}")
        if number == 0 and view.promise:
            for text in wrap(view.promise, width):
                _add(lines, ((text, "text"),), f"promise:{text}")
    earlier = len(view.updates) - UPDATES_MOST
    if earlier > 0:
        _add(lines, ((f"and {count_of(earlier, 'earlier update')}", "muted"),), "earlier")
    return lines


def _service_lines(page: PublicPage, width: int) -> list[PageLine]:
    broken = sorted(
        (each for each in page.services if each.status is not ServiceStatus.OPERATIONAL),
        key=lambda each: (-each.status.severity, each.display_order, each.name),
    )
    lines: list[PageLine] = []
    name_width = max(
        (cell_width(each.name) for each in broken[:AFFECTED_MOST]), default=len("000 others")
    )
    name_width = min(max(name_width, len("000 others")), width - 14)
    for each in broken[:AFFECTED_MOST]:
        token = token_of(each.status)
        name = pad(each.name, name_width)
        text = f"{glyph_of(each.status)} {name}  {word_of(each.status)}"
        _add(lines, ((text, token),), f"service:{each.id}:{each.status.value}")
    if len(broken) > AFFECTED_MOST:
        _add(
            lines,
            ((f"  and {len(broken) - AFFECTED_MOST} more", "muted"),),
            f"more:{len(broken)}",
        )
    well = len(page.services) - len(broken)
    if well:
        name = (count_of(well, "other") if broken else f"all {well}").ljust(name_width)
        up = ServiceStatus.OPERATIONAL
        text = f"{glyph_of(up)} {name}  {word_of(up)}"
        _add(lines, ((text, token_of(up)),), f"well:{well}")
    return lines


def pair(before: Sequence[PageLine], after: Sequence[PageLine]) -> tuple[PairedLine, ...]:
    """Set two pages level: what is new leaves a gap on the other side, and so does what is gone."""
    matcher = SequenceMatcher(
        None, [line.key for line in before], [line.key for line in after], autojunk=False
    )
    rows: list[PairedLine] = []
    for kind, left, left_end, right, right_end in matcher.get_opcodes():
        if kind == "equal":
            rows.extend(
                PairedLine(old.line, new.line, "")
                for old, new in zip(before[left:left_end], after[right:right_end], strict=True)
            )
            continue
        gone, new = before[left:left_end], after[right:right_end]
        for number in range(max(len(gone), len(new))):
            old_line = gone[number].line if number < len(gone) else None
            new_line = new[number].line if number < len(new) else None
            rows.append(PairedLine(old_line, new_line, _mark(old_line, new_line)))
    return tuple(rows)


def _mark(before: Line | None, after: Line | None) -> str:
    if before is not None and after is not None:
        return "" if plain(before) == plain(after) else "~"
    return "-" if after is None else "+"


def concerned_pages(board: Board, service_ids: Sequence[UUID]) -> tuple[PageInfo, ...]:
    """The pages that show at least one of some services."""
    visible = {row.id: row for row in board.services if row.is_visible}
    concerned = [visible[each] for each in service_ids if each in visible]
    return tuple(page for page in board.pages if any(is_on(page, row) for row in concerned))


def checklist(
    board: Board,
    incident: IncidentSummary | None,
    written: Written,
    *,
    now: datetime,
    zone: tzinfo,
    public_delay_seconds: int,
) -> tuple[Fact, ...]:
    """What to look at before posting, in a fixed order: pages, reaches, still true, promise, take
    back.

    Args:
        board: the last read; incident: None for a new one; written: the post.
        now: the present moment; zone: of clock times.
        public_delay_seconds: how long the page waits.
    """
    ids = written.services if incident is None else tuple(each.id for each in incident.services)
    pages = concerned_pages(board, ids)
    rows = [row for row in board.services if row.id in ids]
    said, failing = failing_words(rows, now)
    found: list[Fact] = [
        ("pages", _pages_line(board, pages)),
        ("reaches", _reaches_line(pages, public_delay_seconds)),
        ("still true", _still_true(said, failing, written)),
    ]
    if written.next_update_by is not None:
        promised = clock.clock_named(written.next_update_by, zone)
        found.append(
            (
                "promise",
                (
                    (f"next update by {promised}", "text"),
                    (f", {clock.until(written.next_update_by, now)}", "muted"),
                ),
            )
        )
    elif written.status is IncidentStatus.RESOLVED:
        found.append(("promise", (("none, the incident ends here", "muted"),)))
    else:
        found.append(("promise", (("no next update is promised", "text b"),)))
    found.append(("take back", _take_back_line(public_delay_seconds)))
    return tuple(found)


def _pages_line(board: Board, pages: Sequence[PageInfo]) -> Line:
    if not pages:
        return (("none shows these services: nobody outside will read this", "text b"),)
    parts: list[Part] = [(join_names([page.name for page in pages]), "text")]
    others = len(board.pages) - len(pages)
    if others:
        does = "does" if others == 1 else "do"
        parts.append(
            (f"   {count_of(others, 'other page')} {does} not show these services", "muted")
        )
    return tuple(parts)


def _reaches_line(pages: Sequence[PageInfo], public_delay_seconds: int) -> Line:
    if not pages:
        return (("nobody", "text"),)
    public = any(page.visibility is Visibility.PUBLIC for page in pages)
    who = "everyone who opens the page" if public else "those who hold a token of the page"
    after = f" after {public_delay_seconds} s" if public_delay_seconds else " at once"
    return ((who, "text"), (after, "muted"), ("   no mail, no webhooks", "muted"))


def _still_true(said: str, failing: bool, written: Written) -> Line:
    if failing:
        sentence: list[Part] = [
            (f"{glyph_of(ServiceStatus.MAJOR_OUTAGE)} {said}", "outage"),
        ]
        if written.status is IncidentStatus.RESOLVED:
            sentence.append(("  and this resolves it", "strong b"))
        return tuple(sentence)
    return ((said, "text"),)


def _take_back_line(public_delay_seconds: int) -> Line:
    if not public_delay_seconds:
        return (("not possible: it is public at once", "text b"),)
    return (
        ("U", "strong b"),
        (f" within {public_delay_seconds} s: the page never shows it.", "muted"),
        (" A dropped line still posts.", "muted"),
    )
