"""Whatever becomes of a test, the world that it broke leaves nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos.disk import small_disk
from tests.chaos.stage import embedded_stage

pytestmark = pytest.mark.slow


async def test_a_test_that_fails_leaves_no_process_and_no_disk_behind(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with pytest.raises(RuntimeError, match="a test fails"), small_disk(disk) as made:
        async with embedded_stage(tmp_path, data=disk / "data", targets=2) as stage:
            watch, targets = stage.watches["a"], stage.targets.child
            server = stage.postmaster()
            watch.freeze()
            made.fill()
            raise RuntimeError("a test fails")
    assert watch.child is not None
    assert watch.child.poll() is not None
    assert targets.poll() is not None
    assert not os.path.ismount(disk)
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)
