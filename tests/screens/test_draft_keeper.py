"""A draft is kept in the database, or on disk while that is away; what is said has happened."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from statustui.domain.errors import DatabaseUnavailable, Forbidden
from statustui.domain.readmodels import Draft
from statustui.screens.draft_keeper import ON_DISK, SAVED, DraftKeeper
from statustui.store.draft_files import DraftFiles
from tests.support import acme
from tests.support.memory_store import MemoryStore, store

DRAFT = Draft(acme.CODE, 3, {"text": "We"}, acme.NOW)


def keeper(memory: MemoryStore, files: DraftFiles | None) -> DraftKeeper:
    return DraftKeeper(memory, 1, files)  # type: ignore[arg-type]


async def test_in_the_database(tmp_path: Path) -> None:
    memory, files = store(), DraftFiles(tmp_path, "acme")
    assert await keeper(memory, files).keep(DRAFT) == SAVED
    assert memory.drafts[acme.CODE, "public"] == DRAFT
    assert files.load() == ()


async def test_on_disk_and_back(tmp_path: Path) -> None:
    memory, files = store(), DraftFiles(tmp_path, "acme")
    kept = keeper(memory, files)
    memory.is_away = True
    assert await kept.keep(DRAFT) == ON_DISK
    assert kept.is_on_disk
    assert files.load() == (DRAFT,)
    assert await kept.offered() == (DRAFT,)
    memory.is_away = False
    assert await kept.keep(DRAFT) == SAVED
    assert not kept.is_on_disk
    assert files.load() == ()


async def test_a_disk_that_refuses_is_said(tmp_path: Path) -> None:
    (tmp_path / "drafts").write_text("in the way")
    memory = store()
    memory.is_away = True
    kept = keeper(memory, DraftFiles(tmp_path, "acme"))
    assert (await kept.keep(DRAFT)).startswith("draft not saved: ")
    assert not kept.is_on_disk
    assert await keeper(memory, None).keep(DRAFT) == "draft not saved: the database is away"


async def test_what_the_role_may_not_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = store()

    async def refuse(*_: Any) -> None:
        raise Forbidden("viewers only read")

    monkeypatch.setattr(memory, "save_draft", refuse)
    kept = keeper(memory, DraftFiles(tmp_path, "acme"))
    assert await kept.keep(DRAFT) == "draft not saved: viewers only read"


async def test_forgotten_everywhere(tmp_path: Path) -> None:
    memory, files = store(), DraftFiles(tmp_path, "acme")
    kept = keeper(memory, files)
    await kept.keep(DRAFT)
    files.save(DRAFT)
    await kept.forget(acme.CODE, "public")
    assert memory.drafts == {}
    assert files.load() == ()


async def test_nothing_to_offer_is_an_error_while_the_database_is_away(tmp_path: Path) -> None:
    memory = store()
    memory.is_away = True
    with pytest.raises(DatabaseUnavailable):
        await keeper(memory, DraftFiles(tmp_path, "acme")).offered()


async def test_who_leaves_waits_for_no_silent_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, files = store(), DraftFiles(tmp_path, "acme")
    kept = keeper(memory, files)
    assert await kept.keep_in_haste(DRAFT, 5.0) == SAVED

    async def silent(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(memory, "save_draft", silent)
    assert await kept.keep_in_haste(DRAFT, 0.01) == ON_DISK
    assert files.load() == (DRAFT,)
