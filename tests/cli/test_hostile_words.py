"""Whatever is typed: no harm to the terminal, no traceback, and a sentence that leads on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from statustui.cli.tree import build
from tests.cli.conftest import Call

# An escape sequence, a bell, an override of reading direction, an eight-bit sequence, a NUL, a lone
# surrogate (a byte that is no UTF-8), and markup, which is text like any other.
HOSTILE = "x\x1b[31mred\x07\u202eevil\x9b2J\x00end\udcff<b>"
CLEANED = "xredevilend<b>"
LONG = "y" * 6_000


def test_texts_are_cleaned_on_saving_and_markup_is_kept(call: Call) -> None:
    assert call("service", "add", HOSTILE, "--json").data["name"] == CLEANED
    assert call("service", "add", HOSTILE).code == 5, "the same name, once cleaned"
    added = call(
        *("incident", "add", "--title", HOSTILE, "--message", f"{HOSTILE}\n\n<script>"),
        *("--service", HOSTILE, "--internal-title", HOSTILE, "--still-works", HOSTILE, "--json"),
    ).data
    assert added["title"] == added["internal_title"] == CLEANED
    (update,) = added["updates"]
    assert update["message"] == f"{CLEANED}\n\n<script>"
    assert update["still_works"] == CLEANED
    assert "<script>" not in update["message_html"]
    assert CLEANED in call("incident", "show", added["code"]).out
    marked = call("mark", HOSTILE, "--source", HOSTILE, "--service", HOSTILE, "--json").data
    assert (marked["text"], marked["source"]) == (CLEANED, CLEANED)
    made = call(
        *("monitor", "add", HOSTILE, HOSTILE, "--type", "http"),
        *("--set", f"url=http://127.0.0.1:9/{HOSTILE}", "--json"),
    ).data
    assert made["name"] == CLEANED
    assert call("monitor", "list").code == 0


@pytest.mark.parametrize(
    "words",
    [
        (HOSTILE,),
        (f"--{HOSTILE}",),
        ("service", HOSTILE),
        ("service", "list", HOSTILE),
        ("service", "show", HOSTILE + "!"),
        ("service", "show", LONG),
        ("service", "pin", "API", HOSTILE),
        ("incident", "show", HOSTILE),
        ("incident", "show", LONG),
        ("incident", "list", "--status", HOSTILE),
        ("monitor", "show", HOSTILE + "!"),
        ("monitor", "pause", "x", "--for", HOSTILE),
        ("monitor", "add", "API", "m", "--type", "http", "--set", HOSTILE),
        ("monitor", "add", "API", "m", "--type", "tcp", "--set", f"port={HOSTILE}"),
        ("check", f"{HOSTILE}://x"),
        ("check", f"tcp://{HOSTILE}:1:2"),
        ("apply", f"/nowhere/{HOSTILE}"),
        ("--org", HOSTILE, "service", "list"),
        ("init", "--name", "New", "--slug", HOSTILE),
        ("init", "--name", "New", "--timezone", HOSTILE),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_refused_is_repeated_only_cleaned(
    call: Call, words: tuple[str, ...], as_json: bool
) -> None:
    ended = call(*words, *(("--json",) if as_json else ()))
    assert ended.code in (2, 3)
    assert ended.err.startswith("statustui: ")
    if as_json:
        assert json.loads(ended.out)["error"]["code"] in ("VALIDATION_ERROR", "NOT_FOUND")
    else:
        assert ended.out == ""


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("service", "add", "  "), 2, "must not be empty"),
        (("service", "add", LONG), 2, "at most 255"),
        (("service", "add", "New", "--group", LONG), 2, "at most 255"),
        (("incident", "add", "--title", "\x1b[0m", "--message", "m"), 2, "must not be empty"),
        (("incident", "add", "--title", LONG, "--message", "m"), 2, "at most 500"),
        (("incident", "add", "--title", "t", "--message", LONG), 2, "at most 5,000"),
        (("incident", "add", "--title", "t", "--message", " "), 2, "must not be empty"),
        (("incident", "add", "--title", "t"), 2, "see `statustui incident add --help`"),
        (
            ("incident", "add", "--title", "t", "--message", "m", "--next-update", "0s"),
            2,
            "a time to come",
        ),
        (("incident", "add", "--title", "t", "--message", "m", "--delay", "9d"), 2, "10m"),
        (("incident", "add", "--title", "t", "--message", "m", "--delay", "-1s"), 2, "duration"),
        (
            ("incident", "add", "--title", "t", "--message", "m", "--service", "API=degraded"),
            3,
            "API=degraded",
        ),
        (
            (
                *("incident", "add", "--title", "t", "--message", "m"),
                *("--service", "API=major_outag"),
            ),
            2,
            "did you mean major_outage?",
        ),
        (
            (
                *("incident", "add", "--title", "t", "--message", "m"),
                *("--service", "API", "--service", "api"),
            ),
            2,
            "twice",
        ),
        (("incident", "list", "--limit", "0"), 2, "--limit"),
        (("incident", "list", "--limit", "9" * 30), 2, "--limit"),
        (("incident", "update", "INC-0000", "--message", "m", "--note", "--status", "monitoring"),
         2, "a note moves nothing"),
        (("service", "pin", "API", "major_outag"), 2, "did you mean major_outage?"),
        (("service", "shwo", "API"), 2, "show"),
        (("incidnt", "list"), 2, "incident"),
        (("service", "list", "--org", "acme"), 2, "before the command"),
        (("--org", "acm", "service", "list"), 3, "did you mean acme?"),
        (("mark", "x", "--link", "javascript:alert(1)"), 2, "http://"),
        (("mark", LONG), 2, "at most 500"),
        (("monitor", "add", "API", "m", "--type", "smtp"), 2, "'ping'"),
        (("monitor", "add", "API", "m", "--type", "http", "--set", "ulr=x"), 2,
         'config.ulr: unknown key "ulr"; did you mean "url"?'),
        (("monitor", "add", "API", "m", "--type", "http", "--set", "url=http://x/",
          "--interval", "1ms"), 2, "outside 5s to 1d"),
        (("monitor", "pause", "API/m", "--for", "0s"), 3, "no monitor"),
        (("check", "gopher://x"), 2, "known are http://"),
        (("check", "http://["), 2, "not an address"),
        (("check", "http://127.0.0.1:99999/"), 2, "not an address"),
        (("check", "http://user:secret@127.0.0.1/"), 2, "carries credentials"),
        (("check", "http://127.0.0.1/", "--timeout", "1h"), 2, "outside 1s to 30s"),
        (("check", "http://127.0.0.1/", "--condition", "[NOPE] == 1"), 2, "[STATUS]"),
        (("check", "nobody"), 3, "no monitor"),
        (("serve", "--stop", "--status"), 2, "do not go together"),
        (("serve", "--port", "99999"), 2, "65535"),
        (("serve", "--port", "x"), 2, "--port"),
        (("init", "--name", ""), 2, "1 to 255"),
        (("init", "--name", LONG), 2, "1 to 255"),
        (("init", "--name", "Acme"), 5, "slug"),
        (("demo",), 2, "--headless"),
        (("--data-dir", "a\0b", "service", "list"), 2, "NUL"),
        (("--data-dir", "/dev/null/x", "service", "list"), 6, "STATUSTUI_DATA_DIR"),
        (("--database-url", "mysql://h/x", "service", "list"), 2, "postgresql://"),
        (("--database-url", "postgresql://h:x/x", "service", "list"), 2, "postgresql://"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_to_do(
    call: Call, words: tuple[str, ...], code: int, told: str
) -> None:
    ended = call(*words)
    assert ended.code == code, ended.err
    assert told in ended.err
    assert ended.out == ""
    assert "secret" not in ended.err


@pytest.mark.parametrize(
    "words", [("service", "list"), ("status",), ("serve",), ("serve", "--status"), ("init",),
              ("db", "status"), ("db", "migrate"), ("export",), ("check", "API/health")]
)  # fmt: skip
def test_a_database_that_is_down_is_named_with_cause_and_advice(
    call: Call, words: tuple[str, ...]
) -> None:
    ended = call("--database-url", "postgresql://me:secret@127.0.0.1:1/x", *words, "--json")
    # A monitoring system knows four exit codes; the last says that nobody can tell.
    assert ended.code == (3 if words == ("status",) else 6)
    assert ended.error["code"] == "UNAVAILABLE"
    for part in ("postgresql://me@127.0.0.1:1/x", "connection refused", "is PostgreSQL running"):
        assert part in ended.err
    assert "secret" not in ended.out + ended.err


def test_json_stands_after_the_command(call: Call) -> None:
    ended = call("--json", "service", "list")
    assert (ended.code, ended.error["code"]) == (2, "VALIDATION_ERROR")
    assert "after the command" in ended.err


def test_empty_options_and_variables_are_not_given(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATUSTUI_DATABASE_URL", "")
    monkeypatch.setenv("STATUSTUI_ORG", "")
    assert call("--org", "", "--database-url", "", "service", "list").code == 0


def test_messages_come_from_standard_input_too(call: Call) -> None:
    words = ("incident", "add", "--title", "T", "--message", "-", "--json")
    (update,) = call(*words, stdin=b"first\nsecond \xff\n").data["updates"]
    assert update["message"] == "first\nsecond \ufffd"
    assert call(*words, stdin=b"").code == 2
    assert call(*words, stdin=b"z" * 1_000_000).code == 2


def test_an_incident_that_no_page_can_show_says_so(call: Call) -> None:
    words = ("incident", "add", "--title", "T", "--message", "M")
    assert "internal: it concerns no service that the public sees" in call(*words).out
    assert "internal: it" in call(*words, "--service", "Database").out
    assert call(*words, "--service", "API").out.endswith(", public now\n")
    assert call(*words, "--service", "API", "--internal").out.endswith(", internal\n")


def test_conditions_join_those_of_a_stored_monitor(call: Call) -> None:
    made = call(
        *("monitor", "add", "API", "itself", "--type", "tcp"),
        *("--set", "host=127.0.0.1", "--set", "port=9", "--condition", "[CONNECTED] == false"),
    )
    assert made.code == 0, made.err
    assert call("check", "API/itself", "--timeout", "2s").code == 0, "what it says holds"
    looked = call("check", "API/itself", "--condition", "[CONNECTED] == true", "--json")
    assert looked.code == 1
    assert "[CONNECTED]" in json.loads(looked.out)["data"]["reason"]
    assert call("check", "API/itself", "--timeout", "1ms").code == 2
    assert call("check", "API/itself", "--condition", "nonsense").code == 2


def test_two_organizations_are_listed(call: Call) -> None:
    # Last in this file: from here on one has to say which.
    assert call("init", "--name", "Second").code == 0
    ended = call("service", "list", "--json")
    assert (ended.code, ended.error["code"]) == (2, "VALIDATION_ERROR")
    for part in ("acme", "second", "--org"):
        assert part in ended.err
    assert call("--org", "second", "service", "list", "--json").data == []
    assert len(call("--org", "acme", "service", "list", "--json").data) >= 2


def _commands() -> list[tuple[str, ...]]:
    import typer.main

    def walk(command: object, words: tuple[str, ...]) -> list[tuple[str, ...]]:
        found = [words]
        for name, inner in getattr(command, "commands", {}).items():
            found += walk(inner, (*words, name))
        return found

    return walk(typer.main.get_command(build()), ())


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_help_fits_eighty_columns(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from statustui.cli.main import invoke

    monkeypatch.setenv("COLUMNS", "80")
    assert invoke([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: {' '.join(('statustui', *words))} [OPTIONS]")
    assert max(len(line) for line in shown.splitlines()) <= 80
    # A summary that ends in dots says nothing; types in brackets are for programmers.
    assert not [line for line in shown.splitlines()[1:] if line.endswith("...")]
    assert "list[str]" not in shown


def test_a_group_without_a_command_shows_its_help(call: Call) -> None:
    ended = call("incident")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Usage: statustui incident")
    assert call("incident", "--json").code == 2


def test_a_defect_is_written_down_and_told_in_a_line(
    call: Call, monkeypatch: pytest.MonkeyPatch, installation: object, tmp_path: Path
) -> None:
    from statustui.cli import console
    from statustui.settings import default_data_dir

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    error = console.defect(RuntimeError("a \x1b secret of the trade"))
    kept = default_data_dir() / "defects.log"
    assert str(kept) in error.advice
    assert "RuntimeError" in error.message
    assert "secret of the trade" not in error.message
    assert "secret of the trade" in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0
