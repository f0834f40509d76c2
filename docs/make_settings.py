"""Writes docs/reference/settings.md from the settings themselves, so that the two cannot differ."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from statustui.settings import ENV_NESTING, ENV_PREFIX, Settings

TARGET = Path(__file__).parent / "reference" / "settings.md"

INTRODUCTION = """# Settings

Made from the code by `python docs/make_settings.py`; do not edit by hand.

Each can be given, strongest first, as a flag where a command has one, as an environment
variable, or in `$XDG_CONFIG_HOME/statustui/config.toml` (`[web]` `port = 8081`). A key that does
not exist is an error that names the nearest one. `statustui doctor` prints every setting with where
its value came from.

| setting | environment | default | what it does |
|---|---|---|---|
"""


def page() -> str:
    """The page's text."""
    rows = []
    for name, info in Settings.model_fields.items():
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            for inner, detail in annotation.model_fields.items():
                rows.append(_row(f"{name}.{inner}", detail))
        else:
            rows.append(_row(name, info))
    return INTRODUCTION + "\n".join(rows) + "\n"


def _row(key: str, info: FieldInfo) -> str:
    variable = ENV_PREFIX + key.replace(".", ENV_NESTING).upper()
    return f"| `{key}` | `{variable}` | {_default(key, info)} | {info.description} |"


def _default(key: str, info: FieldInfo) -> str:
    if key == "data_dir":
        return "`$XDG_DATA_HOME/statustui`"
    if info.default is None or info.default in ((), PydanticUndefined):
        return "not set"
    return f"`{info.default}`"


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
