"""One installation for a whole file of tests, used in this process as the command line does."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from statustui.cli.main import invoke
from tests.support.world import World, world

FILE = """
organization: {slug: acme, name: Acme Corp}
services:
  - {name: API, group: Core, depends_on: [Database]}
  - {name: Database, visible: false}
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The value of `data` that was printed."""
        assert self.code == 0, self.err
        return json.loads(self.out)["data"]

    @property
    def error(self) -> dict[str, str]:
        """The error that was printed as JSON."""
        error: dict[str, str] = json.loads(self.out)["error"]
        return error


Call = Callable[..., Ended]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An organization with two services; a watch holds the embedded database open."""
    with world(tmp_path_factory.mktemp("cli")) as made:
        made.data("apply", made.write("acme.yaml", FILE))
        made.serve()
        yield made


@pytest.fixture
def call(
    installation: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Runs a command in this process; whatever it prints is fit for a terminal."""
    for name in list(os.environ):
        if name.startswith("STATUSTUI_"):
            monkeypatch.delenv(name)
    for name, value in installation.environment.items():
        if name.startswith(("STATUSTUI_", "XDG_")):
            monkeypatch.setenv(name, value)

    def run(*words: str, stdin: bytes = b"") -> Ended:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
        capsys.readouterr()
        code = invoke(list(words))
        printed = capsys.readouterr()
        for text in (printed.out, printed.err):
            assert "Traceback" not in text
            assert "went wrong that should not" not in text
            for line in text.split("\n"):
                assert line.isprintable(), repr(line)
        return Ended(code, printed.out, printed.err)

    return run
