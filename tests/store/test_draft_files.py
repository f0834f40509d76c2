"""Drafts on this host's disk: whole or not at all, for their owner only, next to whatever."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from statustui.domain.readmodels import Draft
from statustui.store.draft_files import DraftFiles

NOW = datetime(2026, 11, 21, 3, 19, 35, tzinfo=UTC)
DRAFT = Draft("INC-4F2K", 3, {"text": "We found ü the cause.", "status": "identified"}, NOW)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    files = DraftFiles(tmp_path, "acme")
    assert files.load() == ()
    note = replace(DRAFT, kind="note")
    new = replace(DRAFT, incident_code=None, base_version=0)
    for draft in (DRAFT, note, new):
        files.save(draft)
    assert set(map(repr, files.load())) == set(map(repr, (DRAFT, note, new)))
    assert DraftFiles(tmp_path, "other").load() == ()


def test_a_newer_one_takes_the_place_of_the_older(tmp_path: Path) -> None:
    files = DraftFiles(tmp_path, "acme")
    files.save(DRAFT)
    newer = replace(DRAFT, fields={"text": "More."}, saved_at=NOW + timedelta(seconds=1))
    files.save(newer)
    assert files.load() == (newer,)
    (path,) = (tmp_path / "drafts" / "acme").iterdir()
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_forgetting(tmp_path: Path) -> None:
    files = DraftFiles(tmp_path, "acme")
    files.save(DRAFT)
    files.forget("INC-4F2K", "note")
    assert len(files.load()) == 1
    files.forget("INC-4F2K", "public")
    files.forget("INC-4F2K", "public")
    assert files.load() == ()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"incident": null}',
        json.dumps({"incident": "x", "kind": "public", "base_version": "x", "saved_at": "now",
                    "fields": {}}),
        json.dumps({"incident": "x", "kind": "public", "base_version": 1,
                    "saved_at": "2026-11-21T03:00:00", "fields": {}}),
        json.dumps({"incident": "x", "kind": "public", "base_version": 1,
                    "saved_at": "2026-11-21T03:00:00+00:00", "fields": []}),
    ],
)  # fmt: skip
def test_a_spoilt_file_hides_no_other(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    files = DraftFiles(tmp_path, "acme")
    files.save(DRAFT)
    spoilt = tmp_path / "drafts" / "acme" / "INC-0000-public.json"
    spoilt.write_text(content)
    assert files.load() == (DRAFT,)
    assert spoilt.exists()
    assert "cannot be read" in caplog.text


def test_a_disk_that_refuses_is_said_and_leaves_nothing_behind(tmp_path: Path) -> None:
    blocked = tmp_path / "drafts"
    blocked.write_text("a file where the folder should be")
    with pytest.raises(OSError, match="drafts"):
        DraftFiles(tmp_path, "acme").save(DRAFT)
    assert [path.name for path in tmp_path.iterdir()] == ["drafts"]
