"""Who may import whom, and what stays in one room: the house's walls as tests."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "statustui"
MODULES = sorted(path for path in SOURCE.rglob("*.py"))

_SQL = re.compile(
    r"^\s*(SELECT\s+[\w*(\"']|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|WITH\s+\w+\s+AS\s*\(|"
    r"(CREATE|ALTER|DROP)\s+(TABLE|INDEX|ROLE|DATABASE|VIEW|FUNCTION|SCHEMA|POLICY)|"
    r"GRANT\s+|REVOKE\s+|COPY\s+\w+|TRUNCATE\s+)",
)
_COLOUR = re.compile(r"#(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{6}|[0-9a-fA-F]{3,4})\b")

# A brand's colour is the tenant's data: configuration has a default, the demonstration a tenant.
_HOMES_OF_COLOURS = {"palette.py", "domain/configuration.py", "demo/world.py"}


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def strings_of(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every string of a module that is not a docstring, with its line."""
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                docstrings.add(id(first.value))
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and id(node) not in docstrings:
            yield node.lineno, text


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def test_rooms_import_only_what_stands_below_them() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_opens_with_a_sentence(path: Path) -> None:
    tree = parsed(path)
    opening = (ast.get_docstring(tree) or "").partition("\n\n")[0]
    assert opening.rstrip().endswith((".", ":")), f"{path} does not say why it exists"
    if len(tree.body) > 1:
        first = tree.body[1]
        assert isinstance(first, ast.ImportFrom), f"{path}: the future import comes first"
        assert first.module == "__future__", f"{path}: the future import comes first"


def test_only_the_settings_read_the_environment() -> None:
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in MODULES
        if name_of(path) != "settings.py"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute)
        and node.attr in ("environ", "getenv", "environb")
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    ]
    assert found == [], "take it from settings.py"


# What monitors ask of other people's databases.
_OF_OTHERS = {("domain/probe_config.py", "SELECT 1")}


def test_statements_stand_in_sql_files() -> None:
    found = [
        f"{name_of(path)}:{line}: {text.strip()[:60]}"
        for path in MODULES
        for line, text in strings_of(parsed(path))
        if _SQL.match(text) and (name_of(path), text) not in _OF_OTHERS
    ]
    assert found == [], "move them to store/queries or store/migrations"


def test_colours_have_one_home() -> None:
    sheets = [path for folder in (SOURCE, ROOT / "styles") for path in folder.rglob("*.tcss")]
    templates = [*SOURCE.rglob("*.html"), *SOURCE.rglob("*.j2"), *SOURCE.rglob("*.svg")]
    found = [
        f"{name_of(path)}:{line}: {text.strip()[:60]}"
        for path in MODULES
        if name_of(path) not in _HOMES_OF_COLOURS
        for line, text in strings_of(parsed(path))
        if _COLOUR.search(text)
    ] + [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:60]}"
        for path in (*sheets, *templates)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        # `&#x27;` in a template is a character, and `#main` in a sheet is a name.
        if (match := _COLOUR.search(line)) and _is_colour(line, match)
    ]
    assert found == [], "name a token of palette.py, or use the page's style sheet"


def _is_colour(line: str, match: re.Match[str]) -> bool:
    before = line[: match.start()].rstrip()
    return before.endswith((":", ",", "(", '="', "='")) or before.split(":")[-1] != before


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError|NotImplemented)\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in SOURCE.rglob("*")
        if path.suffix in (".py", ".sql", ".html", ".css", ".tcss", ".js")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if later.search(line) and "return NotImplemented" not in line
    ]
    assert found == []


def test_the_core_is_reachable_without_a_terminal() -> None:
    program = (
        "import sys\n"
        "import statustui.engine, statustui.store, statustui.web, statustui.presenters\n"
        "import pkgutil, importlib\n"
        "for room in ('domain', 'store', 'engine', 'web', 'presenters'):\n"
        "    package = importlib.import_module(f'statustui.{room}')\n"
        "    for found in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(found.name)\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'textual', 'textual_plotext', 'plotext'}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")
