"""Keeps what is typed: in the database, and on this host's disk while the database is away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from statustui.domain.errors import DatabaseUnavailable, StatustuiError
from statustui.domain.readmodels import Draft
from statustui.store.draft_files import DraftFiles

if TYPE_CHECKING:
    from statustui.store.operator import OperatorStore

SAVED = "draft saved"
ON_DISK = "database away, draft kept on this host"


class DraftKeeper:
    """Saves, offers and forgets drafts, one after the other.

    Args:
        store: the database.
        organization_id: whose incidents they belong to.
        files: this host's disk, None while the organization is not known yet.
    """

    def __init__(
        self, store: OperatorStore, organization_id: int, files: DraftFiles | None
    ) -> None:
        self._store = store
        self._organization_id = organization_id
        self._files = files
        self._turn = asyncio.Lock()
        self.is_on_disk = False

    async def keep(self, draft: Draft) -> str:
        """Save a draft.

        Returns:
            What became of it, in words.
        """
        async with self._turn:
            try:
                await self._store.save_draft(self._organization_id, draft)
            except DatabaseUnavailable:
                return await self._keep_on_disk(draft)
            except StatustuiError as error:
                return f"draft not saved: {error.message}"
            await self._forget_file(draft.incident_code, draft.kind)
            self.is_on_disk = False
            return SAVED

    async def keep_in_haste(self, draft: Draft, seconds: float) -> str:
        """The same for a program that ends: what the database has not taken in time, the disk has.

        Args:
            draft: what is kept; seconds: how long the database may take.

        Returns:
            What became of it, in words.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self.keep(draft)
        except TimeoutError:
            return await self._keep_on_disk(draft)

    async def _keep_on_disk(self, draft: Draft) -> str:
        if self._files is None:
            return "draft not saved: the database is away"
        try:
            await asyncio.to_thread(self._files.save, draft)
        except OSError as error:
            return f"draft not saved: {error.strerror or error}"
        self.is_on_disk = True
        return ON_DISK

    async def forget(self, incident_code: str | None, kind: str) -> None:
        """Remove a draft everywhere: it was posted, or nothing of it is left.

        Raises:
            StatustuiError: the database keeps it; its file is gone.
        """
        async with self._turn:
            await self._forget_file(incident_code, kind)
            self.is_on_disk = False
            await self._store.delete_draft(self._organization_id, incident_code, kind)

    async def offered(self) -> tuple[Draft, ...]:
        """All drafts of this person, from the database and from this host's disk.

        Raises:
            StatustuiError: the database cannot be asked and nothing is on this host's disk.
        """
        on_disk = () if self._files is None else await asyncio.to_thread(self._files.load)
        try:
            return (*await self._store.load_drafts(self._organization_id), *on_disk)
        except StatustuiError:
            if on_disk:
                return on_disk
            raise

    async def _forget_file(self, incident_code: str | None, kind: str) -> None:
        if self._files is not None:
            await asyncio.to_thread(self._files.forget, incident_code, kind)
