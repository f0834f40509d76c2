"""The page in a real browser: it loads under its own policy, works without script, and fits."""

from __future__ import annotations

import asyncio
import re
import struct
from pathlib import Path

import pytest

from tests.support.chromium import document, needs_chromium, screenshot
from tests.web import samples
from tests.web.serving import serve

pytestmark = [pytest.mark.chromium, needs_chromium]


def size_of(png: Path) -> tuple[int, int]:
    width, height = struct.unpack(">II", png.read_bytes()[16:24])
    return width, height


async def test_the_page_is_drawn(tmp_path: Path) -> None:
    async with serve([samples.outage_page()]) as served:
        url = f"http://{served.host}:{served.port}/s/acme"
        html = await asyncio.to_thread(document, url)
        pictures = {}
        for name, dark in (("light", False), ("dark", True)):
            path = tmp_path / f"{name}.png"
            await asyncio.to_thread(screenshot, url, path, width=1440, height=900, dark=dark)
            pictures[name] = path
    assert "Partial outage: 4 of 43 services unavailable" in html
    # The script ran under the policy: it explains times in the reader's own zone.
    assert re.search(r'<time [^>]*title="[^"]+"', html)
    for path in pictures.values():
        assert size_of(path) == (1440, 900)
        assert path.stat().st_size > 20_000, "the page is empty"
    assert pictures["light"].read_bytes() != pictures["dark"].read_bytes()
