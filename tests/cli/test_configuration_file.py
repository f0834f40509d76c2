"""YAML: every mistake with its line, nothing that could exhaust or run anything."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.cli.configuration_file import parse, read_file, write_text
from statustui.domain.errors import Problem, ValidationFailed

GOOD = """\
organization:
  slug: acme
  name: Acme Corp
services:
  - name: API
    depends_on: [Database]
  - {name: Database, visible: false}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "acme.yaml"


def refused(path: Path, text: str | bytes) -> ValidationFailed:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValidationFailed) as caught:
        read_file(str(path))
    return caught.value


def test_a_good_file_is_read(path: Path) -> None:
    path.write_text(GOOD)
    read = read_file(str(path)).configuration
    assert read.organization.name == "Acme Corp"
    assert read.services is not None
    assert [service.is_visible for service in read.services] == [True, False]


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD.encode())))
    assert read_file("-").configuration.organization.slug == "acme"


def test_every_mistake_has_file_line_and_column(path: Path) -> None:
    text = GOOD.replace("visible: false", "visibel: false").replace(
        "  slug: acme", '  slug: Acme\n  brand_color: "red"'
    )
    failure = refused(path, text)
    lines = [problem.message for problem in failure.problems]
    assert lines[0].startswith(f"{path}:2:9: organization.slug: ")
    assert lines[1].startswith(f"{path}:3:16: organization.brand_color: ")
    assert lines[2].startswith(f"{path}:8:22: services[2].visibel: unknown key")
    assert 'did you mean "visible"?' in lines[2]
    assert failure.message.startswith(f"3 mistakes in {path}; the first: {lines[0]}")
    assert failure.advice == "nothing was changed"


def test_what_is_missing_is_told_where_it_should_stand(path: Path) -> None:
    failure = refused(path, "organization:\n  slug: acme\n")
    assert failure.message == f'{path}:2:3: organization.name: "name" is required'


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("a: [1, 2", "2:", "not YAML"),
        ("a:\n\tb: 1", "2:1", "not YAML"),
        ("a: 1\n b: 2", "2:", "not YAML"),
        ("a: 'x", "1:", "not YAML"),
        ("a: 1\na: 2", "2:1", "stands twice"),
        ("--- a: 1\n--- b: 2", "", "not YAML"),
        ("a: 1\n---\nb: 2", "2:1", "not YAML"),
        ("a: !!python/object/apply:os.system [id]", "1:4", "means nothing here"),
        ("a: !secret x", "1:4", "means nothing here"),
        ("a: !!binary aGk=", "1:4", "means nothing here"),
        ("a: !!int x", "1:4", "cannot be read"),
        ("a: &x [*x]", "1:", "holds itself"),
        ("a: *nowhere", "1:4", "not YAML"),
        ("? [a]\n: b", "1:3", "a key must be a word"),
        ("<<: 5\na: 1", "1:5", "<<"),
        ("a: \x07", "", "not YAML"),
        ("", "1:1", "empty"),
        ("# nothing", "1:1", "empty"),
    ],
)
def test_bad_yaml_is_refused_with_its_line(path: Path, text: str, where: str, words: str) -> None:
    failure = refused(path, text)
    assert f"{path}:{where}" in failure.message
    assert words in failure.message
    assert "\x07" not in failure.message


def test_bytes_that_are_no_text_are_refused(path: Path) -> None:
    assert f"{path}:2:1: is not UTF-8" in refused(path, b"a: 1\nb: \xff\xfe").message


def test_a_byte_order_mark_does_no_harm(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert read_file(str(path)).configuration.organization.slug == "acme"


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValidationFailed, match="No such file"):
        read_file(str(tmp_path / "nowhere.yaml"))
    with pytest.raises(ValidationFailed, match="directory"):
        read_file(str(tmp_path))


def test_depth_and_aliases_are_bounded(path: Path) -> None:
    assert "nested deeper" in refused(path, "[" * 5_000).message
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{now}: &{now} [{', '.join(['*' + before] * 9)}]\n"
        for before, now in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert "too large" in refused(path, bomb).message


def test_an_alias_and_a_merge_are_followed(path: Path) -> None:
    path.write_text(
        GOOD
        + """\
    monitors:
      - &base
        name: one
        type: tcp
        interval: 30s
        config: {host: db, port: 5432}
      - <<: *base
        name: two
        interval: 60s
"""
    )
    text = path.read_text().replace("  - {name: Database, visible: false}", "  - name: Database")
    path.write_text(text)
    services = read_file(str(path)).configuration.services
    assert services is not None
    one, two = services[1].monitors
    assert (one.spec.interval_seconds, two.spec.interval_seconds) == (30, 60)
    assert two.spec.config == one.spec.config


def test_times_and_words_arrive_as_written() -> None:
    document = parse("a: 2027-01-03\nb: 2027-01-03T02:00:00\nno: on\nd: 'no'\ne: 12\nf: =\n")
    assert document.value == {
        "a": "2027-01-03",
        "b": "2027-01-03T02:00:00",
        "no": True,
        "d": "no",
        "e": 12,
        "f": "=",
    }
    assert not document.problems


def test_what_the_store_finds_gets_its_line_too(path: Path) -> None:
    path.write_text(GOOD)
    read = read_file(str(path))
    with pytest.raises(ValidationFailed) as caught, read.locating():
        raise ValidationFailed(
            "x", problems=[Problem("no service", ("services", 0, "depends_on", 0))]
        )
    assert caught.value.message == f"{path}:6:18: services[1].depends_on[1]: no service"
    with pytest.raises(ValidationFailed, match=r"^plain$"), read.locating():
        raise ValidationFailed("plain")


def test_what_is_written_reads_back_the_same(path: Path) -> None:
    path.write_text(GOOD)
    read = read_file(str(path)).configuration
    path.write_text(write_text(read))
    assert read_file(str(path)).configuration == read


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_nothing_breaks_the_parser(text: str) -> None:
    document = parse(text)
    for problem in document.problems:
        assert problem.line is not None


@given(st.text(alphabet="abc:-[]{},&*!<>|?'\"#% \n\t0", max_size=60))
def test_nothing_that_looks_like_yaml_breaks_it(text: str) -> None:
    parse(text)
