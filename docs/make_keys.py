"""Writes docs/reference/keys.md from the screens' own bindings, so that the two cannot differ."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

from textual.app import App
from textual.binding import Binding
from textual.screen import Screen

import statustui.app
import statustui.screens

TARGET = Path(__file__).parent / "reference" / "keys.md"

INTRODUCTION = """# Keys

Made from the code by `python docs/make_keys.py`; do not edit by hand.

`?` shows the keys of the screen in front. Every action is also in the palette, by name.
"""

# What its class is called says little about where a shared table applies.
_TITLES = {
    "BaseScreen": "On every screen",
    "ListScreen": "In every list",
    "HelpScreen": "In the list of keys",
}

_NAMES = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "greater_than_sign": ">",
    "less_than_sign": "<",
    "full_stop": ".",
    "comma": ",",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "exclamation_mark": "!",
    "asterisk": "*",
    "number_sign": "#",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "escape": "Esc",
    "enter": "Enter",
    "space": "Space",
    "tab": "Tab",
    "home": "Home",
    "end": "End",
    "backspace": "Backspace",
    "delete": "Delete",
}


def tables() -> Iterator[tuple[str, str, tuple[Binding, ...]]]:
    """Every class that binds keys: its name, the title of its keys, and the bindings it adds."""
    for module_name in _modules():
        module = importlib.import_module(module_name)
        for name, kind in vars(module).items():
            if not isinstance(kind, type) or kind.__module__ != module_name:
                continue
            if not issubclass(kind, Screen | App) or "BINDINGS" not in vars(kind):
                continue
            found = tuple(Binding.make_bindings(vars(kind)["BINDINGS"]))
            if found:
                yield name, _TITLES.get(name) or getattr(kind, "TITLE_OF_KEYS", name), found


def page() -> str:
    """The page's text."""
    parts = [INTRODUCTION]
    for _, title, found in tables():
        parts.append(f"\n## {title}\n\n| key | what it does |\n|---|---|\n")
        by_action: dict[tuple[str, str], list[str]] = {}
        for binding in found:
            by_action.setdefault((binding.action, binding.description), []).append(binding.key)
        for (_, words), keys in by_action.items():
            parts.append(f"| {' '.join(f'`{key_name(key)}`' for key in keys)} | {words} |\n")
    return "".join(parts)


def key_name(key: str) -> str:
    """What is printed on the keyboard: `ctrl+p` becomes `Ctrl-P`, `G` stays `G`."""
    *held, last = key.split("+")
    shown = _NAMES.get(last, last.upper() if held or (last[:1] == "f" and last[1:]) else last)
    return "-".join([*(part.capitalize() for part in held), shown])


def _modules() -> Iterator[str]:
    # What works on many screens comes first.
    shared = ("statustui.screens.base", "statustui.screens.listing")
    yield from shared
    for found in pkgutil.iter_modules(statustui.screens.__path__, "statustui.screens."):
        if found.name not in shared:
            yield found.name
    yield "statustui.app"


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
