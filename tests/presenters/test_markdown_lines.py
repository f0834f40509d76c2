"""What stands in a terminal of a message in Markdown: its words, its bold, and no markup."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from statustui.presenters.line import cell_width, plain, width_of
from statustui.presenters.markdown import to_text
from statustui.presenters.markdown_lines import message_lines, message_parts

MESSAGE = """**Reports are complete** and *correct*. See [the docs](https://acme.test/x), \
<https://acme.test>.

# What we did
- one **two**
- three
  - nested

3. third
4. fourth

> quoted

```
some   code
```
<b>html</b> **unclosed"""


def shown(text: str, width: int = 80) -> list[str]:
    return [plain(line) for line in message_lines(text, width)]


def test_a_message_as_it_is_read() -> None:
    assert shown(MESSAGE) == [
        "Reports are complete and correct. See the docs (https://acme.test/x),",
        "https://acme.test.",
        "",
        "What we did",
        "- one two",
        "- three",
        "  - nested",
        "3. third",
        "4. fourth",
        "",
        "> quoted",
        "",
        "  some   code",
        "",
        "<b>html</b> **unclosed",
    ]


def test_bold_is_bold() -> None:
    first = message_lines(MESSAGE, 80)[0]
    assert first[0] == ("Reports are complete", "text b")
    assert first[1][1] == "text"
    heading = message_lines(MESSAGE, 80)[3]
    assert heading == (("What we did", "text b"),)
    assert message_lines("**all of it**", 80, "muted") == ((("all of it", "muted b"),),)


def test_bold_goes_on_over_the_end_of_a_row() -> None:
    assert message_lines("a **bold word** z", 8) == (
        (("a ", "text"), ("bold", "text b")),
        (("word", "text b"), (" z", "text")),
    )


def test_further_rows_of_an_item_stand_under_its_words() -> None:
    assert shown("- one two three\n- four\n\n  and more", 10) == [
        "- one two",
        "  three",
        "- four",
        "  and more",
    ]


def test_a_line_end_that_was_asked_for_is_kept() -> None:
    assert shown("one\\\ntwo\nthree") == ["one", "two three"]


def test_one_line_of_it() -> None:
    assert message_parts("**Done**, almost.\n\n- a\n- b") == (
        ("Done", "text b"),
        (", almost. a b", "text"),
    )
    assert message_parts("") == ()
    assert message_lines(" \n", 20) == ()


@given(
    st.text(alphabet=st.sampled_from("ab *_`#->[]()!<\\\n1.~&|é漢:/"), max_size=80),
    st.integers(2, 40),
)
@example("> > > - - - 1. deep", 4)
@example(">漢", 2)
def test_whatever_is_written_fits_and_nothing_of_it_is_lost(text: str, width: int) -> None:
    lines = message_lines(text, width)
    assert all(width_of(line) <= width for line in lines)
    # No cell of a terminal can hold a line end, wherever it came from.
    assert not any("\n" in part for line in lines for part, _ in line)
    words = "".join(plain(line) for line in lines)
    letters = [each for each in "".join(to_text(text).split()) if each in "abé漢"]
    assert [each for each in words if each in "abé漢"] == letters
    assert "\n" not in plain(message_parts(text))
    assert cell_width("漢") == 2
