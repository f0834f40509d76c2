"""The first screen looks as drawn, at each size, in colour, without colour and in ASCII.

A picture is a text file: the screen's characters, then the styles that each line has, so that a
change of weight or colour is seen as well. `python -m tests.screens.test_pictures` draws them anew;
look at each before it is committed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.style import Style

from statustui.domain.readmodels import Board
from tests.support import sample_world
from tests.support.terminal import FACTS, FrozenApp, MemoryStore, dashboard, settle

FOLDER = Path(__file__).parent / "pictures"


@dataclass(frozen=True)
class Picture:
    """One picture: what is on the board, how large, in which palette, after which keys."""

    name: str
    size: tuple[int, int]
    is_calm: bool = False
    theme: str = "dark"
    glyphs: str = "unicode"
    keys: Sequence[str] = ()

    def board(self) -> Board:
        """What is shown."""
        return sample_world.calm() if self.is_calm else sample_world.outage()


PICTURES = (
    Picture("outage-80x24", (80, 24)),
    Picture("outage-120x36", (120, 36)),
    Picture("outage-160x40", (160, 40)),
    Picture("outage-200x50", (200, 50)),
    Picture("outage-40x12", (40, 12)),
    Picture("calm-80x24", (80, 24), is_calm=True),
    Picture("calm-120x36", (120, 36), is_calm=True),
    Picture("calm-200x50", (200, 50), is_calm=True),
    Picture("calm-40x12", (40, 12), is_calm=True),
    Picture("outage-light-80x24", (80, 24), theme="light"),
    Picture("outage-16col-80x24", (80, 24), theme="ansi"),
    Picture("outage-nocolor-80x24", (80, 24), theme="mono"),
    Picture("outage-ascii-80x24", (80, 24), theme="mono", glyphs="ascii"),
    Picture("palette-80x24", (80, 24), keys=("ctrl+p", "a", "c", "k")),
    Picture("palette-120x36", (120, 36), keys=("ctrl+p", "a", "c", "k")),
    Picture("help-80x24", (80, 24), keys=("question_mark",)),
    Picture("help-120x36", (120, 36), keys=("question_mark",)),
    Picture("filter-80x24", (80, 24), keys=("slash", *"group:web", "enter")),
    Picture("snooze-80x24", (80, 24), keys=("z",)),
    Picture("marks-80x24", (80, 24), keys=("space", "space")),
)


async def draw(picture: Picture) -> str:
    """Draw a picture as text: characters first, styles after them."""
    store = MemoryStore(picture.board())
    if not picture.is_calm:
        store.nows[sample_world.service_id("Database")] = sample_world.database_now(store.board)
        store.details["INC-4F2K"] = sample_world.main_detail(store.board)
    async with dashboard(
        store, picture.size, theme=picture.theme, glyphs=picture.glyphs, facts=FACTS
    ) as (app, pilot):
        for key in picture.keys:
            await pilot.press(key)
        await settle(app, pilot)
        return _text(app)


def _text(app: FrozenApp) -> str:
    strips = app.screen._compositor.render_strips()
    rows = [strip.text.rstrip() for strip in strips]
    styles: list[str] = []
    for number, strip in enumerate(strips):
        parts: list[str] = []
        for segment in strip:
            if segment.text.strip() or (segment.style and segment.style.reverse):
                words = _style(segment.style)
                said = f"{words}: {segment.text.strip()}"
                parts.append(said)
        if parts:
            styles.append(f"{number:2} " + " | ".join(parts))
    return "\n".join([*rows, "", *styles]) + "\n"


def _style(style: Style | None) -> str:
    if style is None:
        return "-"
    words = [
        name
        for name, is_set in (
            ("bold", style.bold),
            ("dim", style.dim),
            ("reverse", style.reverse),
            ("underline", style.underline),
        )
        if is_set
    ]
    color = style.color.name if style.color is not None else "default"
    ground = style.bgcolor.name if style.bgcolor is not None else "default"
    return " ".join([color, *words, f"on {ground}"])


@pytest.mark.parametrize("picture", PICTURES, ids=lambda each: each.name)
async def test_it_looks_as_accepted(picture: Picture) -> None:
    accepted = (FOLDER / f"{picture.name}.txt").read_text(encoding="utf-8")
    assert await draw(picture) == accepted


@pytest.mark.parametrize("picture", PICTURES, ids=lambda each: each.name)
async def test_nothing_is_wider_or_higher_than_the_screen(picture: Picture) -> None:
    drawn = (await draw(picture)).split("\n\n 0 ", 1)[0].split("\n")
    assert len(drawn) <= picture.size[1] + 1
    assert max(len(line) for line in drawn) <= picture.size[0]


async def test_without_colour_no_colour_is_sent() -> None:
    drawn = await draw(next(each for each in PICTURES if each.name == "outage-nocolor-80x24"))
    styles = drawn.split("\n 0 ", 1)[1]
    for word in ("color(", "red", "green", "yellow", "blue", "cyan", "magenta"):
        assert f"{word}" not in styles.replace("colour", "")


async def test_ascii_is_ascii() -> None:
    drawn = await draw(next(each for each in PICTURES if each.name == "outage-ascii-80x24"))
    assert drawn.isascii()


async def _draw_all(names: Sequence[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for picture in PICTURES:
        if not names or picture.name in names:
            text = await draw(picture)
            (FOLDER / f"{picture.name}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(_draw_all(sys.argv[1:]))
