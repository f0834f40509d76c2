"""The last line shows what fits, never half a key, and always how to filter and to find keys."""

from __future__ import annotations

import pytest

from statustui.presenters.line import plain, width_of
from statustui.widgets.footer_keys import FILTER, KEYS, KeyHint, lay_out

HINTS = [
    KeyHint("a", "ack"),
    KeyHint("u", "tell public"),
    KeyHint("w", "note"),
    KeyHint("b", "runbook"),
    KeyHint("enter", "open"),
    KeyHint("z", "snooze"),
    KeyHint("ctrl+p", "palette"),
]


def test_at_eighty_columns_it_is_the_drawn_line() -> None:
    assert plain(lay_out(HINTS, (FILTER, KEYS), 80)) == (
        " a ack  u tell public  w note  b runbook  enter open           / filter  ? keys "
    )


@pytest.mark.parametrize("width", range(20, 160))
def test_nothing_is_cut_and_the_right_side_never_goes(width: int) -> None:
    line = plain(lay_out(HINTS, (FILTER, KEYS), width))
    assert line.endswith("/ filter  ? keys ")
    left = line.removesuffix("/ filter  ? keys ").rstrip()
    kept = [hint for hint in left.removeprefix(" ").split("  ") if hint]
    assert kept == [f"{hint.key} {hint.label}" for hint in HINTS][: len(kept)]
    if width >= 22:
        assert width_of(lay_out(HINTS, (FILTER, KEYS), width)) == width


def test_the_key_that_publishes_is_a_chip() -> None:
    parts = lay_out([KeyHint("p", "post to 2 pages", is_chip=True)], (KEYS,), 60)
    assert (" p ", "chipfg b on:chip") in parts
    assert (" post to 2 pages", "strong b") in parts
