"""The screens of an incident, driven by keys over a store in memory."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from statustui.domain.posting import UpdateInput
from statustui.domain.readmodels import TimelineEntry
from statustui.domain.status import IncidentStatus, MonitorState, Role
from statustui.screens.composer import ComposerScreen
from statustui.screens.incident import IncidentScreen
from statustui.screens.preview import PreviewScreen
from statustui.settings import TerminalSettings
from statustui.store.draft_files import DraftFiles
from tests.support import acme
from tests.support.memory_store import (
    FACTS,
    MemoryStore,
    screen_rows,
    screen_text,
    stage,
    store,
    until,
)

CODE = acme.CODE


async def shows(pilot: Pilot[Any], text: str) -> None:
    """Wait until a text stands on the screen."""
    await until(pilot, lambda: text in screen_text(pilot), f"{text!r} on the screen")


async def opened(pilot: Pilot[Any]) -> None:
    """Wait for the incident."""
    await shows(pilot, "promoting the replica")


async def write(pilot: Pilot[Any], text: str) -> None:
    """Press the keys of a text."""
    await pilot.press(*("space" if letter == " " else letter for letter in text))


async def to_composer(pilot: Pilot[Any], key: str = "u") -> ComposerScreen:
    """Open the composer and wait until it knows the incident and the drafts."""
    await opened(pilot)
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, ComposerScreen), "the composer")
    screen = pilot.app.screen
    assert isinstance(screen, ComposerScreen)
    await until(pilot, lambda: screen.is_ready, "the composer's drafts")
    return screen


async def to_preview(pilot: Pilot[Any]) -> PreviewScreen:
    """Go on to the preview and wait until it hears keys."""
    await pilot.press("ctrl+s")
    await until(pilot, lambda: isinstance(pilot.app.screen, PreviewScreen), "the preview")
    screen = pilot.app.screen
    assert isinstance(screen, PreviewScreen)
    await until(pilot, lambda: screen.is_armed, "that keys are heard")
    return screen


async def test_everything_is_answered_without_a_key(tmp_path: Path) -> None:
    async with stage(store(), tmp_path) as pilot:
        await opened(pilot)
        rows = screen_rows(pilot)
        assert rows[0].startswith(" INC-4F2K  investigating  critical  8m   unacked   due 03:41")
        assert rows[1] == " AFFECTED   ✗ API  ✗ Checkout  ✗ Mail   cause ✗ Database hidden"
        assert " evidence   connect to 10.0.0.5:5432 refused" in rows
        assert rows[-1].startswith(" a ack  u tell public  w note  r resolve")


async def test_acknowledging_shows_what_came_back(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path) as pilot:
        await opened(pilot)
        await pilot.press("a")
        await shows(pilot, "lead alice")
        await shows(pilot, "acknowledged until 03:49Z")
        memory.is_away = True
        await pilot.press("a")
        await shows(pilot, "STALE")


async def test_the_composer_opens_in_the_text_with_the_rest_filled_in(tmp_path: Path) -> None:
    async with stage(store(), tmp_path) as pilot:
        screen = await to_composer(pilot)
        assert screen.focused is not None
        assert screen.focused.id is None or "text" in str(screen.focused.parent)
        assert screen.fields["status"] == "identified"
        assert screen.fields["title"] == acme.INCIDENT.title
        assert screen.fields["text"] == ""
        rows = screen_rows(pilot)
        assert rows[9].startswith("  PUBLIC UPDATE   everyone can read this")
        assert rows[11] == " Status     1 investigating   2 identified   3 monitoring   4 resolved"
        assert rows[12].endswith("Database stays hidden")
        assert rows[15].startswith("›Text")
        assert rows[20].startswith(" Next by    03:50  UTC  in 31 min")


async def test_digits_choose_only_while_their_line_has_the_focus(tmp_path: Path) -> None:
    async with stage(store(), tmp_path) as pilot:
        screen = await to_composer(pilot)
        await write(pilot, "3 of 4 q")
        assert screen.fields["text"] == "3 of 4 q"
        assert screen.fields["status"] == "identified"
        await pilot.press("shift+tab", "shift+tab")
        await shows(pilot, "›Status")
        await pilot.press("3")
        assert screen.fields["status"] == "monitoring"
        assert screen.fields["text"] == "3 of 4 q"


async def test_a_draft_is_kept_and_offered_again(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path) as pilot:
        await to_composer(pilot)
        await write(pilot, "We found")
        await shows(pilot, "draft saved")
        assert memory.drafts[CODE, "public"].fields["text"] == "We found"
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, IncidentScreen), "the incident")
        screen = await to_composer(pilot)
        assert screen.fields["text"] == "We found"
    async with stage(memory, tmp_path) as pilot:
        screen = await to_composer(pilot)
        assert screen.fields["text"] == "We found"


async def test_escape_right_after_a_key_loses_nothing(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path) as pilot:
        await to_composer(pilot)
        await pilot.press("H", "i", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, IncidentScreen), "the incident")
        await until(pilot, lambda: (CODE, "public") in memory.drafts, "the draft to be kept")
        assert memory.drafts[CODE, "public"].fields["text"] == "Hi"


@pytest.mark.parametrize("is_away", [False, True])
async def test_quitting_right_after_a_key_loses_nothing(tmp_path: Path, is_away: bool) -> None:
    memory = store()
    async with stage(memory, tmp_path) as pilot:
        await to_composer(pilot)
        memory.is_away = is_away
        await pilot.press("H", "i")
        pilot.app.exit()
    if is_away:
        assert [each.fields["text"] for each in DraftFiles(tmp_path, "acme").load()] == ["Hi"]
    else:
        assert memory.drafts[CODE, "public"].fields["text"] == "Hi"


async def test_nothing_written_leaves_no_draft(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path) as pilot:
        await to_composer(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, IncidentScreen), "the incident")
        assert memory.drafts == {}
        assert "save_draft" not in memory.calls


async def test_a_draft_goes_to_disk_while_the_database_is_away(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path) as pilot:
        await to_composer(pilot)
        memory.is_away = True
        await write(pilot, "Still here")
        await shows(pilot, "database away, draft kept on this host")
        (file,) = (tmp_path / "drafts" / "acme").glob("*.json")
        assert json.loads(file.read_text())["fields"]["text"] == "Still here"
        assert file.stat().st_mode & 0o077 == 0
        memory.is_away = False
        await shows(pilot, "draft saved")
        assert memory.drafts[CODE, "public"].fields["text"] == "Still here"
        await until(pilot, lambda: not file.exists(), "the file to go")


async def test_a_draft_of_this_hosts_disk_is_offered(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path) as pilot:
        await to_composer(pilot)
        memory.is_away = True
        await write(pilot, "Kept")
        await shows(pilot, "draft kept on this host")
    memory.is_away = False
    async with stage(memory, tmp_path) as pilot:
        screen = await to_composer(pilot)
        assert screen.fields["text"] == "Kept"


async def test_what_was_typed_ahead_publishes_nothing(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path) as pilot:
        await to_composer(pilot)
        await write(pilot, "We look.")
        await pilot.press("ctrl+s", "p", "enter", "p")
        await until(pilot, lambda: isinstance(pilot.app.screen, PreviewScreen), "the preview")
        screen = pilot.app.screen
        assert isinstance(screen, PreviewScreen)
        await until(pilot, lambda: screen.is_armed, "that keys are heard")
        assert memory.posted == []
        assert pilot.app.screen is screen


async def test_preview_then_post_then_take_back(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path) as pilot:
        await to_composer(pilot)
        await write(pilot, "We found the cause.")
        await shows(pilot, "draft saved")
        await to_preview(pilot)
        text = screen_text(pilot)
        assert "+ We found the cause." in text
        assert "✗ all 4 are still failing" in text
        assert "Database" not in text
        await pilot.press("p")
        await shows(pilot, " s  U take back  p now")
        # The seconds are counted in the first line alone: another figure would stand still.
        assert screen_text(pilot).count("public in") == 1
        assert memory.posted == [
            UpdateInput(
                status=IncidentStatus.IDENTIFIED,
                message="We found the cause.",
                base_version=3,
                next_update_by=acme.at("03:50"),
            )
        ]
        await until(pilot, lambda: memory.drafts == {}, "the draft to be forgotten")
        await pilot.press("U")
        await until(pilot, lambda: isinstance(pilot.app.screen, ComposerScreen), "the composer")
        screen = pilot.app.screen
        assert isinstance(screen, ComposerScreen)
        await until(pilot, lambda: screen.is_ready, "the composer's fields")
        assert screen.fields["text"] == "We found the cause."
        assert memory.details[CODE].summary.status is IncidentStatus.INVESTIGATING
        # Its words stand nowhere else any more, so they are a draft without another key.
        await until(pilot, lambda: (CODE, "public") in memory.drafts, "the draft")


async def test_a_waiting_post_is_released_at_once(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path) as pilot:
        await to_composer(pilot)
        await write(pilot, "Now.")
        await to_preview(pilot)
        await pilot.press("p")
        await shows(pilot, "public in")
        await pilot.press("p")
        await shows(pilot, "INC-4F2K  identified")
        assert memory.details[CODE].summary.pending is None


async def test_without_delay_it_is_public_at_once_and_says_so(tmp_path: Path) -> None:
    memory = store()
    settings = TerminalSettings(public_delay_seconds=0, notify_delay_seconds=0)  # type: ignore[call-arg]
    async with stage(memory, tmp_path, settings=settings) as pilot:
        await to_composer(pilot)
        await write(pilot, "Now.")
        await to_preview(pilot)
        await shows(pilot, "not possible: it is public at once")
        await pilot.press("p")
        await shows(pilot, "public now")


async def test_somebody_else_was_first(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path) as pilot:
        composer = await to_composer(pilot)
        await write(pilot, "My words.")
        await to_preview(pilot)
        memory.move(CODE, IncidentStatus.MONITORING)
        await pilot.press("p")
        await shows(pilot, "changed    bob has moved INC-4F2K to monitoring meanwhile")
        await shows(pilot, "post all the same?   y post")
        assert memory.posted == []
        await pilot.press("escape")
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is composer, "the composer")
        assert composer.fields["text"] == "My words."
        await to_preview(pilot)
        await pilot.press("p")
        await until(pilot, lambda: len(memory.posted) == 1, "the post")
        assert memory.posted[0].base_version == 4  # type: ignore[union-attr]


async def test_resolving_what_still_fails_is_asked_once(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path) as pilot:
        screen = await to_composer(pilot, "r")
        assert screen.fields["status"] == "resolved"
        assert screen.fields["text"] == "This incident is resolved. It lasted 8 min."
        await to_preview(pilot)
        await pilot.press("p")
        await shows(pilot, "resolve all the same?")
        assert memory.posted == []
        await pilot.press("y")
        await until(pilot, lambda: len(memory.posted) == 1, "the post")


async def test_resolving_what_is_up_again_is_not_asked(tmp_path: Path) -> None:
    memory = store()
    memory.change_services(
        [replace(row, monitor_state=MonitorState.UP) for row in memory.board.services]
    )
    async with stage(memory, tmp_path) as pilot:
        await to_composer(pilot, "r")
        await to_preview(pilot)
        await pilot.press("p")
        await until(pilot, lambda: len(memory.posted) == 1, "the post")


async def test_a_note_is_internal_all_along_and_written_at_once(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path) as pilot:
        await to_composer(pilot, "w")
        assert "INTERNAL NOTE  the public never sees this" in screen_text(pilot)
        await write(pilot, "rebooting")
        await pilot.press("ctrl+s")
        await shows(pilot, "alice: rebooting")
        (given,) = memory.posted
        assert isinstance(given, UpdateInput)
        assert not given.is_public
        assert given.base_version is None


async def test_an_empty_text_is_refused_beside_the_fields(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path) as pilot:
        screen = await to_composer(pilot)
        await pilot.press("ctrl+s")
        await shows(pilot, "the text is empty")
        assert pilot.app.screen is screen
        await write(pilot, "x")
        await until(pilot, lambda: "the text is empty" not in screen_text(pilot), "it to go")


async def test_a_new_incident_from_the_list(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path) as pilot:
        await opened(pilot)
        await pilot.press("2")
        await shows(pilot, "1 open, 0 resolved")
        await pilot.press("i")
        await until(pilot, lambda: isinstance(pilot.app.screen, ComposerScreen), "the composer")
        screen = pilot.app.screen
        assert isinstance(screen, ComposerScreen)
        await until(pilot, lambda: screen.is_ready, "the composer")
        await write(pilot, "We look into it.")
        await pilot.press("ctrl+s")
        await shows(pilot, "the title is empty")
        await write(pilot, "Mail is slow")
        await pilot.press("shift+tab")
        await write(pilot, "Ma")
        await pilot.press("right")
        await until(pilot, lambda: screen.fields["affected"] == "Mail", "the completed name")
        await pilot.press("shift+tab", "shift+tab", "3")
        assert screen.fields["impact"] == "minor"
        await to_preview(pilot)
        assert "Mail is slow" in screen_text(pilot)
        await pilot.press("p")
        await shows(pilot, "INC-9NEW")
        assert isinstance(pilot.app.screen, IncidentScreen)


async def test_an_internal_incident_opens_without_preview(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path) as pilot:
        await opened(pilot)
        await pilot.press("2")
        await shows(pilot, "1 open")
        await pilot.press("i")
        await until(pilot, lambda: isinstance(pilot.app.screen, ComposerScreen), "the composer")
        screen = pilot.app.screen
        assert isinstance(screen, ComposerScreen)
        await until(pilot, lambda: screen.is_ready, "the composer")
        await write(pilot, "Odd.")
        await pilot.press("shift+tab")
        await write(pilot, "Odd thing")
        await pilot.press("shift+tab", "shift+tab", "2")
        await shows(pilot, "internal, until it is published")
        await pilot.press("ctrl+s")
        await shows(pilot, "INC-9NEW is open, internal")
        assert not memory.posted[0].is_public


@pytest.mark.parametrize("key", ["a", "u", "w", "r"])
async def test_a_viewer_is_told_who_may(tmp_path: Path, key: str) -> None:
    memory = store(Role.VIEWER)
    async with stage(memory, tmp_path) as pilot:
        await opened(pilot)
        assert "tell public" not in screen_rows(pilot)[-1]
        await pilot.press(key)
        await shows(pilot, "members may do this")
        assert memory.posted == []
        assert "acknowledge" not in memory.calls


async def test_read_only_changes_nothing(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path, read_only=True) as pilot:
        await opened(pilot)
        await pilot.press("a")
        await shows(pilot, "read only")
        assert "acknowledge" not in memory.calls


async def test_markup_and_escape_codes_stay_text(tmp_path: Path) -> None:
    memory = store()
    hostile = "[bold red]x[/] [link=https://evil.test]y[/link]"
    async with stage(memory, tmp_path, size=(120, 36)) as pilot:
        screen = await to_composer(pilot)
        await write(pilot, hostile)
        assert screen.fields["text"] == hostile
        assert hostile in screen_text(pilot)
        await to_preview(pilot)
        assert "[bold red]x[/]" in screen_text(pilot)
        await pilot.press("p")
        await shows(pilot, "public in")
        await pilot.press("p")
        await shows(pilot, "identified: [bold red]x[/]")
        await shows(pilot, "[link=https://evil.test]y[/link]")


async def test_what_is_pasted_is_cleaned(tmp_path: Path) -> None:
    async with stage(store(), tmp_path) as pilot:
        screen = await to_composer(pilot)
        assert screen.focused is not None
        screen.focused.post_message(events.Paste("one\x1b[31m\r\ntwo\x07\u202ethree"))
        await until(pilot, lambda: screen.fields["text"] == "one\ntwothree", "the clean text")


async def test_a_resolved_one_is_final(tmp_path: Path) -> None:
    memory = store()
    over = replace(
        acme.INCIDENT,
        status=IncidentStatus.RESOLVED,
        resolved_at=acme.NOW - timedelta(minutes=1),
    )
    memory.details[CODE] = replace(acme.DETAIL, summary=over)
    async with stage(memory, tmp_path) as pilot:
        await opened(pilot)
        await shows(pilot, "resolved 03:18")
        await pilot.press("u")
        await shows(pilot, "that is final")
        assert "tell public" not in screen_rows(pilot)[-1]


async def test_a_long_timeline_stands_at_its_end_and_moves(tmp_path: Path) -> None:
    memory = store()
    notes = tuple(
        TimelineEntry(acme.NOW - timedelta(seconds=60 - n), "note", f"step {n}", who="alice")
        for n in range(60)
    )
    memory.details[CODE] = replace(acme.DETAIL, timeline=notes)
    async with stage(memory, tmp_path) as pilot:
        await shows(pilot, "step 59")
        assert "lines above" in screen_text(pilot)
        await pilot.press("g")
        await shows(pilot, "alice: step 0")
        assert "lines below" in screen_text(pilot)
        await pilot.press("pagedown", "j")
        await shows(pilot, "lines above")
        # What happens meanwhile does not move what somebody reads.
        before = screen_rows(pilot)[4:13]
        memory.details[CODE] = replace(
            acme.DETAIL, timeline=(*notes, replace(notes[-1], text="news"))
        )
        await pilot.press("ctrl+r")
        await until(pilot, lambda: memory.calls.count("load_incident") >= 2, "the new timeline")
        await pilot.pause(0.1)
        assert screen_rows(pilot)[4:12] == before[:8]
        await pilot.press("G")
        await shows(pilot, "alice: news")


async def test_an_incident_that_is_not_there(tmp_path: Path) -> None:
    async with stage(store(), tmp_path, incident="INC-0000") as pilot:
        await shows(pilot, "no incident INC-0000")
        await pilot.press("u", "U", "p", "y", "r")
        assert isinstance(pilot.app.screen, IncidentScreen)


@pytest.mark.parametrize(
    ("size", "kind"),
    [
        ((80, 24), "ascii"),
        ((200, 50), "ascii"),
        ((40, 12), "unicode"),
        ((100, 30), "unicode"),
        ((120, 36), "unicode"),
        ((160, 44), "unicode"),
    ],
)
async def test_every_screen_fits_and_ascii_stays_ascii(
    tmp_path: Path, size: tuple[int, int], kind: str
) -> None:
    facts = replace(FACTS, no_color=kind == "ascii")
    settings = TerminalSettings(glyphs=kind)  # type: ignore[call-arg, arg-type]
    memory: MemoryStore = store()
    async with stage(memory, tmp_path, size=size, facts=facts, settings=settings) as pilot:
        await opened(pilot) if size != (40, 12) else await shows(pilot, "INC-4F2K")
        shots = [screen_text(pilot)]
        await pilot.press("u")
        await until(pilot, lambda: isinstance(pilot.app.screen, ComposerScreen), "the composer")
        composer = pilot.app.screen
        assert isinstance(composer, ComposerScreen)
        await until(pilot, lambda: composer.is_ready, "the composer")
        await write(pilot, "We found the cause.")
        shots.append(screen_text(pilot))
        await to_preview(pilot)
        shots.append(screen_text(pilot))
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, IncidentScreen), "the incident")
        await pilot.press("2")
        await shows(pilot, "INC-4F2K")
        shots.append(screen_text(pilot))
        await pilot.press("3")
        await shows(pilot, "API/health")
        shots.append(screen_text(pilot))
        await pilot.press("enter")
        await shows(pilot, "EVIDENCE") if size[1] > 20 else await shows(pilot, "Latency")
        shots.append(screen_text(pilot))
        for shot in shots:
            assert all(len(row) <= size[0] for row in shot.split("\n"))
            if kind == "ascii":
                assert shot.isascii(), [letter for letter in shot if not letter.isascii()]


async def test_without_colour_none_is_sent(tmp_path: Path) -> None:
    facts = replace(FACTS, no_color=True)
    async with stage(store(), tmp_path, facts=facts) as pilot:
        await to_composer(pilot)
        await write(pilot, "We")
        strips = pilot.app.screen._compositor.render_strips()
        colours = {
            str(colour.name)
            for strip in strips
            for segment in strip
            if segment.style is not None
            for colour in (segment.style.color, segment.style.bgcolor)
            if colour is not None
        }
        assert colours <= {"default"}
