"""One incident carried by keys at 80×24 over a real database, from the first symptom to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from statustui.domain.posting import UpdateInput
from statustui.domain.status import IncidentStatus
from statustui.screens.composer import ComposerScreen
from statustui.screens.incident import IncidentScreen
from statustui.screens.preview import PreviewScreen
from statustui.store.changes import ChangeListener
from statustui.store.connection import ConnectionTarget, open_pool
from statustui.store.draft_files import DraftFiles
from statustui.store.operator import OperatorStore
from tests.support.databases import Database
from tests.support.house import House, open_house
from tests.support.memory_store import screen_rows, screen_text, stage, until
from tests.support.proxy import Line


@asynccontextmanager
async def at_night(
    database: Database, tmp_path: Path, person: str = "owner"
) -> AsyncIterator[tuple[House, str, Pilot[Any]]]:
    """Database and API are down, an automatic incident is open, and somebody looks."""
    async with open_house(database) as house:
        since = datetime.now(UTC) - timedelta(minutes=5)
        for name in ("Database", "API"):
            await house.see(
                name, "down", since=since, reason="connect to 10.0.0.5:5432 refused",
                error_kind="refused",
            )  # fmt: skip
        for name in ("Checkout", "Docs"):
            await house.see(name, "up", since=since)
        code = await house.open_automatic("API")
        async with (
            ChangeListener(database.target(house.person(person))) as listener,
            stage(
                house.stores[person],
                tmp_path,
                incident=None,
                listener=listener,
                organization_id=house.org,
            ) as pilot,
        ):
            yield house, code, pilot


async def shows(pilot: Pilot[Any], *texts: str) -> None:
    """Wait until texts stand on the screen."""
    await until(
        pilot, lambda: all(text in screen_text(pilot) for text in texts), f"{texts} on the screen"
    )


async def write(pilot: Pilot[Any], text: str) -> None:
    """Press the keys of a text."""
    await pilot.press(*("space" if letter == " " else letter for letter in text))


async def preview(pilot: Pilot[Any]) -> None:
    """Go on to the preview, and wait until it hears keys."""
    await pilot.press("ctrl+s")
    await until(pilot, lambda: isinstance(pilot.app.screen, PreviewScreen), "the preview")
    screen = pilot.app.screen
    assert isinstance(screen, PreviewScreen)
    await until(pilot, lambda: screen.is_armed, "that keys are heard")


async def test_the_whole_story_by_keys(database: Database, tmp_path: Path) -> None:
    async with at_night(database, tmp_path) as (house, code, pilot):
        store, org = house.store, house.org
        # What is broken stands there without a key; what customers feel is under its cause.
        await shows(pilot, "›✗ outage   Database", "API", code, "unacked")
        await pilot.press("j")
        await shows(pilot, "›✗ outage     API")

        await pilot.press("a")
        await until(pilot, lambda: "unacked" not in screen_text(pilot), "it to be acknowledged")

        await pilot.press("u")
        await shows(pilot, "PUBLIC UPDATE", "›Text", "2 identified")
        composer = pilot.app.screen
        assert isinstance(composer, ComposerScreen)
        await until(pilot, lambda: composer.is_ready, "the drafts")
        await write(pilot, "We found the cause.")
        await shows(pilot, "draft saved")
        (draft,) = await store.load_drafts(org)
        assert draft.fields["text"] == "We found the cause."

        await preview(pilot)
        await shows(pilot, "+ We found the cause.", "BEFORE YOU POST", "still failing")
        assert "Database" not in screen_text(pilot)
        await pilot.press("p")
        await until(pilot, lambda: not isinstance(pilot.app.screen, PreviewScreen), "the post")
        waiting = (await store.load_incident(org, code)).summary.pending
        assert waiting is not None
        assert waiting.message == "We found the cause."
        await until(pilot, lambda: "take back" in screen_text(pilot), "the countdown")

        # Not like this: taken back, changed, posted again.
        if not isinstance(pilot.app.screen, IncidentScreen):
            raise AssertionError("posting shows the incident")
        await pilot.press("U")
        await until(pilot, lambda: isinstance(pilot.app.screen, ComposerScreen), "the composer")
        again = pilot.app.screen
        assert isinstance(again, ComposerScreen)
        await until(pilot, lambda: again.is_ready, "the fields")
        assert (await store.load_incident(org, code)).summary.pending is None
        await write(pilot, " Half an hour.")
        await preview(pilot)
        await pilot.press("p")
        await shows(pilot, "take back")
        await pilot.press("p")
        await shows(pilot, f"{code}  identified", "We found the cause. Half an")
        told = await store.load_incident(org, code)
        assert told.summary.status is IncidentStatus.IDENTIFIED
        assert [update.message for update in told.updates if update.author is not None] == [
            "We found the cause. Half an hour."
        ]
        assert await store.load_drafts(org) == ()

        # Up again: resolving asks nothing.
        for name in ("Database", "API"):
            await house.see(name, "up")
        await shows(pilot, "∙ API")
        await pilot.press("r")
        await shows(pilot, "4 resolved", "This incident is resolved.")
        resolving = pilot.app.screen
        assert isinstance(resolving, ComposerScreen)
        await until(pilot, lambda: resolving.is_ready, "the fields")
        await preview(pilot)
        await shows(pilot, "∙ All 3 services operational")
        await pilot.press("p")
        await shows(pilot, "take back")
        await pilot.press("p")
        await shows(pilot, f"{code}  resolved")
        assert (await store.load_incident(org, code)).summary.status is IncidentStatus.RESOLVED


async def test_two_people_post_at_once(database: Database, tmp_path: Path) -> None:
    async with at_night(database, tmp_path) as (house, code, pilot):
        await shows(pilot, code)
        screen = pilot.app.screen
        screen.open_incident(code)  # type: ignore[attr-defined]
        await shows(pilot, "AFFECTED")
        await pilot.press("u")
        await shows(pilot, "PUBLIC UPDATE")
        composer = pilot.app.screen
        assert isinstance(composer, ComposerScreen)
        await until(pilot, lambda: composer.is_ready, "the drafts")
        await write(pilot, "My words.")
        other = house.stores["member"]
        await other.post_update(
            house.org, code, UpdateInput(status=IncidentStatus.MONITORING, message="Mine first.")
        )
        # What happened meanwhile is on the screen, above the text.
        await shows(pilot, "Mine first.", "My words.")
        await preview(pilot)
        await pilot.press("p")
        await shows(pilot, "post all the same?   y post", "last update by member_")
        await pilot.press("y")
        await shows(pilot, "take back")
        detail = await house.store.load_incident(house.org, code)
        assert detail.summary.pending is not None
        assert detail.summary.pending.message == "My words."


async def test_a_viewer_reads_everything_and_changes_nothing(
    database: Database, tmp_path: Path
) -> None:
    async with at_night(database, tmp_path, "viewer") as (house, code, pilot):
        await shows(pilot, code)
        pilot.app.screen.open_incident(code)  # type: ignore[attr-defined]
        await shows(pilot, "AFFECTED", "We see failures")
        assert "tell public" not in screen_rows(pilot)[-1]
        await pilot.press("u")
        await shows(pilot, "members may do this")
        await pilot.press("2")
        await shows(pilot, "1 open, 0 resolved")
        await pilot.press("3")
        await shows(pilot, "API/health")
        assert "look now" not in screen_rows(pilot)[-1]
        assert (await house.store.load_incident(house.org, code)).summary.acknowledged_by is None


async def test_monitors_and_service_on_a_real_database(database: Database, tmp_path: Path) -> None:
    async with at_night(database, tmp_path) as (house, _, pilot):
        await shows(pilot, "API")
        await pilot.press("3")
        await shows(pilot, "4 in all", "2 down", "API/health")
        assert "s3cr3t" not in screen_text(pilot)
        await pilot.press("x")
        await shows(pilot, "asked the watch to look")
        await pilot.press("p", "enter")
        await shows(pilot, "1 paused")
        paused = [each for each in await house.store.load_monitors(house.org) if each.paused_until]
        assert len(paused) == 1
        await pilot.press("enter")
        await shows(pilot, "EVIDENCE")
        await pilot.press("right_square_bracket")
        await shows(pilot, "90 d")
        await pilot.press("right_square_bracket")
        await shows(pilot, "outage")
        await pilot.press("escape", "escape")
        await shows(pilot, "STATE")


async def test_the_database_goes_while_somebody_writes(database: Database, tmp_path: Path) -> None:
    async with (
        open_house(database) as house,
        Line(database.parameters(house.person("owner"))) as line,
    ):
        await house.see("API", "down", reason="refused", error_kind="refused")
        code = await house.open_automatic("API")
        target = ConnectionTarget(line.through, "the line")
        pool = await open_pool(target)
        try:
            async with (
                ChangeListener(target) as listener,
                stage(
                    OperatorStore(pool),
                    tmp_path,
                    incident=code,
                    listener=listener,
                    organization_id=house.org,
                ) as pilot,
            ):
                await shows(pilot, "AFFECTED", "We see failures")
                await pilot.press("u")
                await shows(pilot, "PUBLIC UPDATE")
                composer = pilot.app.screen
                assert isinstance(composer, ComposerScreen)
                await until(pilot, lambda: composer.is_ready, "the drafts")
                await write(pilot, "Before,")
                await shows(pilot, "draft saved")

                await line.cut()
                await write(pilot, " during")
                await shows(pilot, "database away, draft kept on this host", "STALE")
                files = DraftFiles(tmp_path, "acme")
                assert [draft.fields["text"] for draft in files.load()] == ["Before, during"]
                # Nothing is posted into the void, and nothing is lost by trying.
                await preview(pilot)
                await pilot.press("p")
                await shows(pilot, "unavailable")
                await pilot.press("escape")
                await until(pilot, lambda: pilot.app.screen is composer, "the composer")
                assert composer.fields["text"] == "Before, during"

                await line.mend()
                await until(pilot, lambda: "STALE" not in screen_text(pilot), "it is back", 20)
                await shows(pilot, "draft saved")
                (draft,) = await house.store.load_drafts(house.org)
                assert draft.fields["text"] == "Before, during"
                assert files.load() == ()
        finally:
            await pool.close()
