"""`statustui doctor`: what is set, what is reachable, and what to do about the rest."""

from __future__ import annotations

from typing import Annotated

import typer

from statustui.cli import console


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("doctor")(doctor)


def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Examine this installation and say what needs a hand.

    Ends with 1 when something fails.
    """
    from statustui.runtime import doctor

    loaded = console.settings_of(context)
    findings = console.run(doctor.examine(loaded.settings))
    settings = [
        {"key": item.key, "value": item.value, "source": item.source} for item in loaded.sources
    ]
    width = max(len(item.key) for item in loaded.sources)
    lines = ["Settings"]
    lines += [f"  {item.key:<{width}}  {item.value}  ({item.source})" for item in loaded.sources]
    lines += ["", "Findings"]
    for finding in findings:
        lines.append(f"  {finding.verdict:<5} {finding.subject}: {finding.text}")
        lines += [f"        {line}" for line in finding.advice.splitlines()]
    data = {
        "settings": settings,
        "findings": [
            {
                "subject": finding.subject,
                "verdict": finding.verdict,
                "text": finding.text,
                "advice": finding.advice,
            }
            for finding in findings
        ],
    }
    console.emit(data, as_json=as_json, text="\n".join(lines))
    raise typer.Exit(1 if any(finding.verdict == "fails" for finding in findings) else 0)
