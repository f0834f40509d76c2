"""What is said about the program's own health, to load balancers and to people with curl."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Health:
    """How the process is.

    Attributes:
        database: whether PostgreSQL answers.
        engine: one word: "active", "standby", "stopped" or "starting".
        spooled_results, spool_bytes: results that wait on disk for the database.
    """

    database: bool
    engine: str
    spooled_results: int = 0
    spool_bytes: int = 0
