"""One command's session: the database opened as the person, and the organization it is about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import typer

from statustui.cli import console

if TYPE_CHECKING:
    from statustui.domain.readmodels import Organization
    from statustui.store.operator import OperatorStore


@asynccontextmanager
async def operator(context: typer.Context) -> AsyncIterator[tuple[OperatorStore, Organization]]:
    """Open the database as the person who runs the command.

    Args:
        context: the command's.

    Yields:
        The store and the organization.
    """
    # Late, so that a word that is refused does not load the database's libraries first.
    from statustui.runtime.database import operator_session

    settings = console.settings_of(context).settings
    async with operator_session(settings) as opened:
        yield opened
