"""Makes the README's pictures from the running program: the dashboard as SVG, the page as PNG.

Needs the distribution's Chromium for the page. Takes about a minute: the demonstration world has to
break first.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from statustui.app import DashboardApp
from statustui.domain.status import ServiceStatus
from statustui.runtime.database import choose_organization, open_database, operator_store
from statustui.runtime.demo import served_world
from statustui.settings import Settings, TerminalFacts, load_settings
from statustui.store.changes import ChangeListener

IMAGES = Path(__file__).parent / "images"
SIZE = (120, 36)
# The script of the demonstration takes its database down half a minute after the start.
_BREAKS_SECONDS = 90


def main() -> None:
    """Write both pictures."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("the page's picture needs chromium: install your distribution's package")
    IMAGES.mkdir(exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="statustui-pictures-") as folder:
        settings = load_settings(
            {"data_dir": folder, "org": "demo", "web": {"port": port}}
        ).settings
        with served_world(settings) as page:
            svg = asyncio.run(_dashboard(settings))
            (IMAGES / "dashboard.svg").write_text(svg, encoding="utf-8")
            _page(chromium, page, IMAGES / "page.png")


async def _dashboard(settings: Settings) -> str:
    facts = TerminalFacts("xterm-256color", "truecolor", False, True, False, "C.UTF-8", SIZE[0])
    async with open_database(settings) as database, operator_store(database) as store:
        organization = await choose_organization(store, settings.org)
        async with ChangeListener(database.operator) as listener:
            async with asyncio.timeout(_BREAKS_SECONDS):
                while True:
                    board = await store.load_board(organization.id)
                    out = [s for s in board.services if s.status is ServiceStatus.MAJOR_OUTAGE]
                    if len(out) >= 3:
                        break
                    await asyncio.sleep(0.2)
            app = DashboardApp(
                store,
                listener,
                organization.id,
                settings.terminal,
                facts=facts,
                data_dir=settings.data_dir,
            )
            async with app.run_test(size=SIZE) as pilot:
                started = datetime.now(UTC)
                while (datetime.now(UTC) - started).total_seconds() < 2:
                    await pilot.pause(0.1)
                picture = app.export_screenshot(title="statustui")
    # The toolkit's picture would load a font from elsewhere; any fixed-width font will do.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    return re.sub(r"<!--.*?-->\s*", "", picture, flags=re.DOTALL)


def _page(chromium: str, address: str, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="statustui-chromium-") as profile:
        subprocess.run(
            [
                chromium,
                "--headless",
                *(["--no-sandbox"] if os.geteuid() == 0 else []),
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                "--hide-scrollbars",
                f"--user-data-dir={profile}",
                "--window-size=1200,1000",
                f"--screenshot={target}",
                address,
            ],
            check=True,
            capture_output=True,
            timeout=60,
        )


if __name__ == "__main__":
    main()
