"""Messages keep their shape and lose their teeth."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.presenters.markdown import excerpt, is_allowed_link, to_html, to_text


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("We look.", "<p>We look.</p>"),
        ("One\n\nTwo", "<p>One</p>\n<p>Two</p>"),
        ("**Now** and *then*", "<p><strong>Now</strong> and <em>then</em></p>"),
        ("`SELECT <1>`", "<p><code>SELECT &lt;1&gt;</code></p>"),
        ("# Title", "<p><strong>Title</strong></p>"),
        ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>"),
        ("<script>x</script>", "<p>&lt;script&gt;x&lt;/script&gt;</p>"),
        ("&lt;", "<p>&amp;lt;</p>"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"),
        ("[x](/relative)", "<p>[x](/relative)</p>"),
        ("[x](//evil.test)", "<p>[x](//evil.test)</p>"),
        (
            "[x](https://a.test/?a=1&b=2)",
            '<p><a href="https://a.test/?a=1&amp;b=2" rel="nofollow noopener noreferrer">x</a></p>',
        ),
        (
            "[x](mailto:a@b.test)",
            '<p><a href="mailto:a@b.test" rel="nofollow noopener noreferrer">x</a></p>',
        ),
    ],
)
def test_html(text: str, html: str) -> None:
    assert to_html(text) == html


class Tags(HTMLParser):
    allowed = frozenset(
        {"p", "strong", "em", "code", "pre", "a", "ul", "ol", "li", "br", "hr", "blockquote"}
    )

    def __init__(self, html: str) -> None:
        super().__init__()
        self.bad: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.allowed:
            self.bad.append(tag)
        for name, value in attrs:
            fits = (
                (name == "href" and is_allowed_link(value or ""))
                or (name == "rel")
                or (name == "start" and (value or "").isdigit())
                or (tag == "code" and name == "class")
                or (tag == "a" and name == "title")
            )
            if not fits:
                self.bad.append(f"{tag} {name}={value}")


PIECES = st.lists(
    st.sampled_from(
        ["<", ">", "script", "[a]", "(", ")", "javascript:", "https://a.test/", '"', "'", "`",
         "```", "\n", "# ", "- ", "> ", "1. ", "*", "_", "![", "]", "&#106;", "onload=", "<!--",
         "<svg/onload=x>", "data:text/html,", "\\", " ", "[x]: javascript:x\n", "[x]"]
    ),
    max_size=40,
).map("".join)  # fmt: skip


def test_a_link_to_nowhere_is_its_words() -> None:
    assert to_html("[x]() and [y](https://a.test)") == (
        '<p>x and <a href="https://a.test" rel="nofollow noopener noreferrer">y</a></p>'
    )


@given(PIECES)
def test_whatever_is_written_only_harmless_tags_come_out(text: str) -> None:
    assert Tags(to_html(text)).bad == []


@given(st.text(max_size=200))
def test_any_text_is_shown(text: str) -> None:
    assert Tags(to_html(text)).bad == []
    to_text(text)


@pytest.mark.parametrize(
    "address",
    ["", "javascript:x", "JaVaScRiPt:x", "data:text/html,x", "vbscript:x", "file:///etc/passwd",
     "https:", "https://", "http:///x", "mailto:", "/s/acme", "//a.test", "a.test",
     "https://a.test/ x", "java\nscript:x", "http://[::1", "\x01https://a.test"],
)  # fmt: skip
def test_where_no_link_may_lead(address: str) -> None:
    assert not is_allowed_link(address)


def test_plain_text() -> None:
    text = "First **line**\nof [one](https://a.test).\n\n- a\n- b\n\n```\ncode\n```\n<b>"
    assert to_text(text) == "First line of one (https://a.test).\na\nb\ncode\n<b>"
    assert to_text("[https://a.test](https://a.test)") == "https://a.test"


def test_excerpts_end_at_a_word() -> None:
    assert excerpt("Short.\n\nMore.") == "Short."
    assert excerpt("word " * 100, length=12) == "word word …"
    assert excerpt("") == ""
