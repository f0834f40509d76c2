"""Where the files that are not Python lie, in a checkout and in an installed wheel alike."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def styles_directory() -> Path:
    """Return the folder of the Textual style sheets.

    A checkout is asked first: an editable install may also hold a copy made when it was
    installed, and that copy is as old as the installation. The checkout is recognised by its
    `pyproject.toml` beside `src/`, so a `styles` folder that merely happens to lie above
    an installed package is never taken.

    Raises:
        FileNotFoundError: neither place has the folder; the installation is incomplete.
    """
    root = _PACKAGE.parent.parent
    checkout = root / "styles"
    if _PACKAGE.parent.name == "src" and (root / "pyproject.toml").is_file() and checkout.is_dir():
        return checkout
    installed = _PACKAGE / "styles"
    if installed.is_dir():
        return installed
    raise FileNotFoundError(
        f"the style sheets are neither in {checkout} nor in {installed}; install statustui again"
    )


def style_sheet(name: str) -> Path:
    """Return the path of one style sheet, `name` without its suffix, such as `base`.

    Raises:
        FileNotFoundError: there is no such sheet.
    """
    path = styles_directory() / f"{name}.tcss"
    if not path.is_file():
        raise FileNotFoundError(f"there is no style sheet {name!r} in {path.parent}")
    return path


def package_file(room: str, *parts: str) -> Path:
    """Return the path of a file shipped inside a room, such as `("web", "static", "page.css")`.

    Raises:
        FileNotFoundError: there is no such file.
    """
    path = _PACKAGE.joinpath(room, *parts)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; install statustui again")
    return path
