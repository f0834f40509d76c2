"""Keeps drafts in files of this host while the database is away, so that no text is ever lost.

A file holds one draft, is readable by its owner only, and is replaced whole: a process that is
killed while writing leaves the draft before it.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from statustui.domain.readmodels import Draft

FOLDER = "drafts"
_log = logging.getLogger(__name__)


class DraftFiles:
    """The drafts of one organization on this host.

    Args:
        data_dir: the user's data directory.
        organization: its slug.
    """

    def __init__(self, data_dir: Path, organization: str) -> None:
        self._folder = data_dir / FOLDER / organization

    def save(self, draft: Draft) -> None:
        """Keep a draft, in place of the one that this incident and kind had.

        Raises:
            OSError: the disk does not take it.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = json.dumps(
            {
                "incident": draft.incident_code,
                "kind": draft.kind,
                "base_version": draft.base_version,
                "saved_at": draft.saved_at.isoformat(),
                "fields": dict(draft.fields),
            }
        )
        number, name = tempfile.mkstemp(dir=self._folder, suffix=".new")
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self._path(draft.incident_code, draft.kind))
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise

    def load(self) -> tuple[Draft, ...]:
        """All drafts that can be read; one that cannot is left where it is and logged."""
        return tuple(self._read_all())

    def forget(self, incident_code: str | None, kind: str) -> None:
        """Remove a draft; nothing happens when there is none."""
        self._path(incident_code, kind).unlink(missing_ok=True)

    def _path(self, incident_code: str | None, kind: str) -> Path:
        return self._folder / f"{incident_code or 'new'}-{kind}.json"

    def _read_all(self) -> Iterator[Draft]:
        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.glob("*.json")):
            try:
                yield _read(json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError, KeyError, TypeError) as error:
                _log.warning("the draft in %s cannot be read: %s", path, error)


def _read(content: object) -> Draft:
    if not isinstance(content, dict):
        raise TypeError("not an object")
    fields = content["fields"]
    if not isinstance(fields, dict):
        raise TypeError("its fields are not an object")
    incident = content["incident"]
    saved_at = datetime.fromisoformat(str(content["saved_at"]))
    if saved_at.tzinfo is None:
        raise ValueError("its time has no zone")
    return Draft(
        incident_code=None if incident is None else str(incident),
        base_version=int(content["base_version"]),
        fields={str(name): str(value) for name, value in fields.items()},
        saved_at=saved_at,
        kind=str(content["kind"]),
    )
