"""The checker: reads the tables and the targets' own account, and says what was lost or made up.

    python -m tests.chaos.audit --database-url postgresql://postgres@host/db --truth truth.jsonl

It uses nothing of the program that it checks. It wants a world at rest: targets unchanged for a
while, results written. Exit code 0 when nothing was found, 1 with one line for each finding.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from tests.chaos.checks_audit import Counted, audit_checks
from tests.chaos.incidents_audit import audit_incidents
from tests.chaos.limits import Finding, Limits
from tests.chaos.tables import read_tables
from tests.chaos.truth import Truth, read_truth


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one audit.

    Attributes:
        findings: violations; none is what everybody wants.
        answers: what targets answered; checks: what the tables have.
        excused: answers that a killed watch was allowed to take with it.
        incidents: that the engine opened; outages: that there were.
        deliveries: rows that would tell somebody.
    """

    findings: tuple[Finding, ...]
    answers: int
    checks: int
    excused: int
    incidents: int
    outages: int
    deliveries: int

    @property
    def rules(self) -> set[str]:
        """The rules that were broken."""
        return {finding.rule for finding in self.findings}

    def __str__(self) -> str:
        counts = (
            f"{self.answers} answers, {self.checks} checks, {self.excused} lost with a killed "
            f"watch, {self.outages} outages, {self.incidents} incidents, "
            f"{self.deliveries} deliveries"
        )
        return "\n".join([*map(str, self.findings), counts])


async def audit(
    connection: asyncpg.Connection, truth: Truth, limits: Limits | None = None
) -> Report:
    """Compares a database with what really happened.

    Args:
        connection: of a superuser.
        truth: read after the world came to rest.
        limits: what is promised.
    """
    limits = limits or Limits()
    tables = await read_tables(connection)
    counted = Counted()
    findings = [
        *audit_checks(tables, truth, limits, counted),
        *audit_incidents(tables, truth, limits),
    ]
    if not counted.answers or not counted.checks:
        findings.append(
            Finding("nothing to compare", f"{counted.answers} answers, {counted.checks} checks")
        )
    return Report(
        findings=tuple(findings),
        answers=counted.answers,
        checks=counted.checks,
        excused=counted.excused,
        incidents=len(tables.automatic),
        outages=sum(len(target.outages()) for target in truth.targets.values()),
        deliveries=len(tables.outbox),
    )


async def audit_database(parameters: dict[str, Any], log: Path) -> Report:
    """Connects, reads the log and compares.

    Args:
        parameters: keyword arguments of `asyncpg.connect`, for a superuser.
        log: the targets' account.
    """
    connection = await asyncpg.connect(**parameters)
    try:
        return await audit(connection, read_truth(log))
    finally:
        await connection.close()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database-url", required=True, help="a superuser's connection")
    parser.add_argument("--truth", type=Path, required=True, help="the targets' log")
    words = parser.parse_args()
    report = asyncio.run(audit_database({"dsn": words.database_url}, words.truth))
    sys.stdout.write(f"{report}\n")
    counts = Counter(finding.rule for finding in report.findings)
    for rule, times in counts.most_common():
        sys.stdout.write(f"{times:6} {rule}\n")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
