"""The wheel, installed into a new environment, holds everything and runs from anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import statustui
from statustui import resources

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout with the build tools of this environment."""
    folder = tmp_path_factory.mktemp("dist")
    run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), "."],
        cwd=ROOT,
    )
    [made] = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment with the wheel installed, and nothing of the checkout.

    The libraries come from this environment through a path file: they are not what is tested, and
    a path file does not follow the other environment's own, such as the one that leads back into
    the checkout.
    """
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    run([sys.executable, "-m", "venv", "--without-pip", str(folder)], cwd=ROOT)
    python = folder / "bin" / "python"
    run(
        [
            *(a_python_with_pip(), "-m", "pip", "--python", str(python)),
            *("install", "--quiet", "--no-index", "--no-deps", str(wheel)),
        ],
        cwd=folder,
    )
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder


def run(command: list[str], *, cwd: Path) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=cwd, env=kept, capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def a_python_with_pip() -> str:
    """This environment's Python, or the one it was made from where it has no pip of its own."""
    for candidate in (sys.executable, str(Path(sys.base_prefix) / "bin" / "python3")):
        found = subprocess.run(
            [candidate, "-m", "pip", "--version"], capture_output=True, check=False
        )
        if found.returncode == 0:
            return candidate
    pytest.skip("no pip was found")


def test_it_holds_every_file_of_the_program(wheel: Path) -> None:
    wanted = {
        "statustui/" + path.relative_to(ROOT / "src" / "statustui").as_posix()
        for path in (ROOT / "src" / "statustui").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    } | {
        "statustui/styles/" + path.relative_to(ROOT / "styles").as_posix()
        for path in (ROOT / "styles").rglob("*")
        if path.is_file()
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == wanted
    assert any(name.endswith(".sql") for name in held)
    assert "statustui/styles/base.tcss" in held


def test_it_runs_from_another_directory(environment: Path, tmp_path: Path) -> None:
    said = run([str(environment / "bin" / "statustui"), "--version"], cwd=tmp_path)
    assert said == f"statustui {statustui.__version__}\n"
    module = run(
        [str(environment / "bin" / "python"), "-m", "statustui", "--version"], cwd=tmp_path
    )
    assert module == said
    assert "Usage" in run([str(environment / "bin" / "statustui"), "--help"], cwd=tmp_path)


def test_it_finds_its_own_files(environment: Path, tmp_path: Path) -> None:
    program = (
        "from statustui import resources\n"
        "print(resources.styles_directory())\n"
        "print(resources.style_sheet('base'))\n"
        "print(resources.package_file('store', '__init__.py'))\n"
    )
    lines = run([str(environment / "bin" / "python"), "-c", program], cwd=tmp_path).splitlines()
    [package] = environment.glob("lib/python*/site-packages/statustui")
    assert lines == [
        str(package / "styles"),
        str(package / "styles" / "base.tcss"),
        str(package / "store" / "__init__.py"),
    ]


def test_an_editable_install_takes_the_checkouts_styles() -> None:
    assert resources.styles_directory() == ROOT / "styles"
    with pytest.raises(FileNotFoundError, match="no style sheet 'absent'"):
        resources.style_sheet("absent")
    with pytest.raises(FileNotFoundError, match="install statustui again"):
        resources.package_file("web", "absent.css")
