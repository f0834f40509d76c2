"""What a plugin prints, by the convention and by those who forgot it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.perfdata import MOST_FIGURES, PerfDatum, parse_output, parse_perfdata


def test_one_line_with_figures() -> None:
    read = parse_output("DISK OK - free space: / 3326 MB (56%); | /=2643MB;5948;5958;0;5968\n")
    assert read.text == "DISK OK - free space: / 3326 MB (56%);"
    assert read.more == ""
    assert read.perfdata == (PerfDatum("/", 2643.0, "MB", "5948", "5958", 0.0, 5968.0),)


def test_many_lines_with_figures_at_two_places() -> None:
    read = parse_output(
        "DISK OK | /=2643MB\n/ 15272 MB (77%);\n/boot 68 MB (69%); | /boot=68MB;88;93;0;98\n"
        "/home=69357MB;253404;253409;0;253414\n"
    )
    assert read.text == "DISK OK"
    assert read.more == "/ 15272 MB (77%);\n/boot 68 MB (69%);"
    assert [(datum.label, datum.value) for datum in read.perfdata] == [
        ("/", 2643.0),
        ("/boot", 68.0),
        ("/home", 69357.0),
    ]


@pytest.mark.parametrize(
    ("written", "figures"),
    [
        ("time=0.5s", [PerfDatum("time", 0.5, "s")]),
        ("'it''s a label'=1;", [PerfDatum("it's a label", 1.0)]),
        ("'a=b'=3%;@1:2;~:5;;100", [PerfDatum("a=b", 3.0, "%", "@1:2", "~:5", None, 100.0)]),
        ("a=U b=2", [PerfDatum("a", None), PerfDatum("b", 2.0)]),
        ("load1=0,42;1,5;2", [PerfDatum("load1", 0.42, "", "1,5", "2")]),
        ("a=-1.5e-3ms", [PerfDatum("a", -0.0015, "ms")]),
        ("no figure here a=1", [PerfDatum("a", 1.0)]),
        ("a=x b=1", [PerfDatum("b", 1.0)]),
        ("a=1e999", [PerfDatum("a", None)]),
        ("rta\x1b[31m=1", [PerfDatum("rta", 1.0)]),
        ("=1 'open", []),
    ],
)
def test_figures(written: str, figures: list[PerfDatum]) -> None:
    assert list(parse_perfdata(written)) == figures


@given(st.text(max_size=300))
def test_nothing_that_is_printed_breaks_the_reading(printed: str) -> None:
    read = parse_output(printed)
    assert "\n" not in read.text
    assert len(read.perfdata) <= MOST_FIGURES


_LABELS = st.text(
    alphabet=st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), min_size=1, max_size=20
).filter(lambda label: label == " ".join(label.split()))


@given(st.lists(st.tuples(_LABELS, st.integers(-(10**9), 10**9)), max_size=10))
def test_what_is_written_by_the_convention_is_read(figures: list[tuple[str, int]]) -> None:
    quoted = ((label.replace("'", "''"), value) for label, value in figures)
    written = " ".join(f"'{label}'={value}c;;;0" for label, value in quoted)
    assert [(datum.label, datum.value) for datum in parse_perfdata(written)] == figures


def test_figures_without_end_are_read_in_no_time() -> None:
    """A hostile plugin: neither quotes nor digits make the reading slow."""
    for written in ("'" * 50_000, "a" * 50_000, "a=1" * 20_000, "1" * 50_000, "a=" * 30_000):
        assert len(parse_perfdata(written)) <= MOST_FIGURES
