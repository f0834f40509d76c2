"""Markdown of public messages, made harmless: what a person wrote becomes paragraphs, lists,
emphasis, code and plain links, and everything else stays visible as text.

HTML is not interpreted, pictures are not loaded, and a link leads only to http, https or mailto:
a message can neither run anything in a reader's browser nor make it call somewhere by itself.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

ALLOWED_SCHEMES: Final = frozenset({"http", "https", "mailto"})
MAX_NESTING: Final = 20


def is_allowed_link(address: str) -> bool:
    """Whether a link may lead there: http, https or mailto with something behind it."""
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return False
    if any(character <= " " or character == "\x7f" for character in address):
        return False
    if parts.scheme == "mailto":
        return bool(parts.path)
    return parts.scheme in ALLOWED_SCHEMES and bool(parts.hostname)


class _SafeMarkdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802
        return is_allowed_link(url)


def _parser() -> MarkdownIt:
    parser = _SafeMarkdown(
        "commonmark",
        {"html": False, "linkify": False, "typographer": False, "maxNesting": MAX_NESTING},
    )
    # A message stands inside the page's own outline: its headings become bold lines below.
    parser.disable(["image", "html_block", "html_inline", "entity", "lheading"])
    parser.add_render_rule("heading_open", _heading)
    parser.add_render_rule("heading_close", _heading)
    parser.add_render_rule("link_open", _link_open)
    parser.add_render_rule("link_close", _link_close)
    return parser


def _heading(
    self: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: MutableMapping[str, Any],
) -> str:
    return "<p><strong>" if tokens[index].nesting == 1 else "</strong></p>\n"


def _link_open(
    self: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: MutableMapping[str, Any],
) -> str:
    # "[x]()" leads nowhere, and is the one link that the parser lets through without asking.
    env["is_link"] = bool(tokens[index].attrGet("href"))
    if not env["is_link"]:
        return ""
    tokens[index].attrSet("rel", "nofollow noopener noreferrer")
    return self.renderToken(tokens, index, options, env)


def _link_close(
    self: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: MutableMapping[str, Any],
) -> str:
    # Links do not nest, so the one that was opened last is the one that ends.
    return self.renderToken(tokens, index, options, env) if env.pop("is_link", True) else ""


_PARSER: Final = _parser()
_PARAGRAPH = re.compile(r"\s+")


def parse(text: str) -> Sequence[Token]:
    """The message's blocks and what is in them, as the page understands them."""
    return _PARSER.parse(text)


def to_html(text: str) -> str:
    """The message as HTML that is safe to put into a page.

    Args:
        text: what a person or the engine wrote.
    """
    return str(_PARSER.render(text)).strip()


def to_text(text: str) -> str:
    """The message as plain text, one line per paragraph, links spelled out."""
    lines = []
    for token in parse(text):
        if token.type == "inline":
            lines.append(_PARAGRAPH.sub(" ", _inline_text(token.children or [])).strip())
        elif token.type in ("fence", "code_block"):
            lines.extend(token.content.rstrip("\n").split("\n"))
    return "\n".join(line for line in lines if line)


def excerpt(text: str, length: int = 240) -> str:
    """The first paragraph as plain text, cut at a word when it is longer than `length`."""
    first = to_text(text).partition("\n")[0]
    if len(first) <= length:
        return first
    return first[:length].rsplit(" ", 1)[0].rstrip(" ,;:.") + " …"


def _inline_text(children: Sequence[Token]) -> str:
    parts: list[str] = []
    targets: list[tuple[str, int]] = []
    for child in children:
        if child.type in ("text", "code_inline"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif child.type == "link_open":
            targets.append((str(child.attrGet("href") or ""), len(parts)))
        elif child.type == "link_close" and targets:
            target, start = targets.pop()
            if target and "".join(parts[start:]) != target:
                parts.append(f" ({target})")
    return "".join(parts)
