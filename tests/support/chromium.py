"""The distribution's Chromium, headless: what a person's browser makes of a page."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


def _run(*words: str) -> str:
    if CHROMIUM is None:
        raise RuntimeError("chromium is not installed")
    with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
        done = subprocess.run(
            [
                CHROMIUM,
                "--headless",
                # A sandbox needs a user of its own, which root is not.
                *(["--no-sandbox"] if os.geteuid() == 0 else []),
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
                f"--user-data-dir={profile}",
                *words,
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    return done.stdout


def document(url: str, later_ms: int = 0) -> str:
    """The document after loading, as the browser would write it down.

    Args:
        url: its address.
        later_ms: let this much of the page's own time pass first; timers run, nobody waits.
    """
    later = [f"--virtual-time-budget={later_ms}"] if later_ms else []
    return _run(*later, "--dump-dom", url)


def screenshot(
    url: str, path: Path, *, width: int = 1440, height: int = 1600, dark: bool = False
) -> None:
    """A picture of the page.

    Args:
        url: its address.
        path: the PNG file to write.
        width, height: the window's size in CSS pixels.
        dark: whether the reader prefers dark pages.
    """
    _run(
        f"--screenshot={path}",
        f"--window-size={width},{height}",
        *(["--blink-settings=preferredColorScheme=0"] if dark else []),
        url,
    )
