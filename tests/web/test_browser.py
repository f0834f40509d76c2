"""The page in a real browser: it loads under its own policy, works without script, and fits."""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Awaitable
from pathlib import Path
from time import monotonic

import pytest

from statustui.web.answers import Answer
from statustui.web.http1 import Request
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


async def test_an_open_page_brings_itself_up_to_date() -> None:
    """What changed comes without a reload: content, title and the sign in the tab."""
    async with serve([samples.quiet_page()]) as served:
        page = served.pages.get("acme")
        assert page is not None
        asked: list[str] = []
        answer = served.server.handler

        def counting(request: Request) -> Answer | Awaitable[Answer]:
            if request.path == "/s/acme":
                asked.append(request.path)
                if len(asked) == 2:
                    page.put(samples.outage_page(), read=monotonic())
            return answer(request)

        served.server.handler = counting
        url = f"http://{served.host}:{served.port}/s/acme"
        html = await asyncio.to_thread(document, url, 40_000)
    assert len(asked) >= 2
    assert "<title>Partial outage: 4 of 43 services" in html
    assert "Partial outage: 4 of 43 services unavailable</h1>" in html
    assert "icon-down.svg" in html
